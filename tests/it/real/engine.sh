#!/usr/bin/env bash
# One real container engine for tests, and nothing of it left afterwards.
#
#   unshare --net --mount bash engine.sh DIR dockerd|podman [options …]
#
# Reads commands from standard input, answers each with one line:
#   start   starts the engine, waits until it answers on DIR/s, and makes image bb:1.0 if it is not there  -> up | failed
#   stop    ends the containers, then the engine, and waits for it                                      -> down
# When standard input closes (the test process ended, in whatever way), everything ends and DIR is removed.
#
# The engine is the first process of a process namespace of its own: when it goes, the kernel kills all that it
# started. Its mounts, bridges and ports live in this script's own namespaces and go with it.
set -u
dir=$1
program=$2
shift 2
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

# Limits and the runtime that a machine with cgroup v1 and a low limit of open files needs; events without a journal.
prepare_podman() {
    cat >"$dir/containers.conf" <<-END
	[containers]
	default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
	[engine]
	runtime = "runc"
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	END
    export CONTAINERS_CONF=$dir/containers.conf
    # What all podmans of a machine share is this one's own: locks, networks, what is known of images.
    for place in /dev/shm /run/containers /var/lib/containers; do
        mkdir -p "$place"
        mount -t tmpfs tmpfs "$place"
    done
}

start() {
    rm -f "$dir/pid"
    local engine
    case $program in
    dockerd)
        engine=(dockerd --host "unix://$dir/s" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" "$@")
        ;;
    podman)
        prepare_podman
        engine=(podman --root "$dir/data" --runroot "$dir/exec" --tmpdir "$dir/tmp" --network-config-dir "$dir/networks"
            system service --time=0 "$@" "unix://$dir/s")
        ;;
    esac
    unshare --pid --fork --kill-child --mount-proc "${engine[@]}" >>"$dir/log" 2>&1 </dev/null &
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
    if [ "$program" = podman ]; then
        # Its containers outlive it, and their cgroups them, unless they are removed.
        all=$(timeout 10 docker ps -aq 2>/dev/null)
        [ -z "$all" ] || timeout 30 docker rm -f $all >/dev/null 2>&1
    else
        running=$(timeout 10 docker ps -q 2>/dev/null)
        [ -z "$running" ] || timeout 10 docker kill $running >/dev/null 2>&1
    fi
    # The engine is the holder's only child; it ends by itself on TERM.
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
[ "$program" != podman ] || rmdir /sys/fs/cgroup/*/libpod_parent/conmon /sys/fs/cgroup/*/libpod_parent 2>/dev/null
umount -R "$dir" 2>/dev/null
rm -rf "$dir"
