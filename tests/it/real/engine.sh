#!/usr/bin/env bash
# One real Docker engine for tests, and nothing of it left afterwards.
#
#   unshare --net --mount bash engine.sh DIR [dockerd options …]
#
# Reads commands from standard input, answers each with one line:
#   start   starts dockerd, waits until it answers on DIR/s, and makes image bb:1.0 if it is not there   -> up | failed
#   stop    kills the containers, ends dockerd and waits for it                                        -> down
# When standard input closes (the test process ended, in whatever way), everything ends and DIR is removed.
#
# dockerd is the first process of a process namespace of its own: when it goes, the kernel kills all that it
# started. Its mounts, bridges and ports live in this script's own namespaces and go with it.
set -u
dir=$1
shift
export DOCKER_HOST=unix://$dir/s
holder=

is_running() { [ -n "$holder" ] && kill -0 "$holder" 2>/dev/null; }

make_image() {
    docker image inspect bb:1.0 >/dev/null 2>&1 && return
    local root=$dir/root busybox
    busybox=$(command -v busybox)
    mkdir -p "$root/bin" "$root/data" "$root/etc"
    cp "$busybox" "$root/bin/busybox"
    for applet in $("$busybox" --list); do
        [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
    tar -C "$root" --owner=0 --group=0 -c . | docker import --change 'ENTRYPOINT ["/bin/busybox"]' - bb:1.0 >/dev/null
}

start() {
    rm -f "$dir/pid"
    unshare --pid --fork --kill-child --mount-proc \
        dockerd --host "unix://$dir/s" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" "$@" \
        >>"$dir/log" 2>&1 </dev/null &
    holder=$!
    for _ in $(seq 300); do
        if docker version >/dev/null 2>&1; then
            make_image && echo up && return
        fi
        is_running || break
        sleep 0.1
    done
    echo failed
}

stop() {
    is_running || return
    running=$(timeout 10 docker ps -q 2>/dev/null)
    [ -z "$running" ] || timeout 10 docker kill $running >/dev/null 2>&1
    # dockerd is the holder's only child; it ends by itself on TERM.
    kill -TERM $(cat "/proc/$holder/task/$holder/children" 2>/dev/null) 2>/dev/null
    for _ in $(seq 200); do
        is_running || break
        sleep 0.1
    done
    kill -KILL "$holder" 2>/dev/null
    wait "$holder" 2>/dev/null
    holder=
}

ip link set lo up
while read -r command; do
    case $command in
    start) start "$@" ;;
    stop)
        stop
        echo down
        ;;
    esac
done
stop
cd /
umount -R "$dir" 2>/dev/null
rm -rf "$dir"
