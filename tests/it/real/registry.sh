# Pushes to a registry with curl alone. Arguments: address, CA, user:password, then one order:
#   fill            261 repositories, one of them nested, one whose only tag is deleted again
#   put NAME TAG N  an image of its own (number N) under a tag
#   delete NAME TAG the manifest of a tag
set -eu
url=$1 ca=$2 user=$3 order=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ask() { curl --silent --show-error --fail --cacert "$ca" --user "$user" "$@"; }
digest() { printf 'sha256:%s' "$(sha256sum "$1" | cut -d' ' -f1)"; }

# Uploads a file to a repository.
blob() {
    place=$(ask --request POST --dump-header - --output /dev/null "$url/v2/$1/blobs/uploads/" |
        tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    ask --request PUT --header 'Content-Type: application/octet-stream' --data-binary "@$2" \
        "$place&digest=$(digest "$2")" --output /dev/null
}

# Takes a blob of another repository over.
mount() { ask --request POST --output /dev/null "$url/v2/$1/blobs/uploads/?mount=$2&from=$3"; }

manifest() {
    printf '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":%d,"digest":"%s"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":%d,"digest":"%s"}],"annotations":{"n":"%s"}}' \
        "$(stat -c %s "$work/config")" "$(digest "$work/config")" "$(stat -c %s "$work/layer")" "$(digest "$work/layer")" "$3" \
        >"$work/manifest"
    ask --request PUT --header 'Content-Type: application/vnd.docker.distribution.manifest.v2+json' \
        --data-binary "@$work/manifest" "$url/v2/$1/manifests/$2" --output /dev/null
}

remove() {
    found=$(ask --head --header 'Accept: application/vnd.docker.distribution.manifest.v2+json' "$url/v2/$1/manifests/$2" |
        tr -d '\r' | sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: //p')
    ask --request DELETE "$url/v2/$1/manifests/$found" --output /dev/null
}

base() {
    printf '{"architecture":"amd64","os":"linux"}' >"$work/config"
    head -c 100000 /dev/zero | gzip -n >"$work/layer"
}

case $order in
fill)
    base
    blob base "$work/config"
    blob base "$work/layer"
    manifest base latest base
    for name in a/b/c gone $(seq -f 'bulk/app-%03g' 0 257); do
        mount "$name" "$(digest "$work/config")" base
        mount "$name" "$(digest "$work/layer")" base
        manifest "$name" latest "$name"
    done
    remove gone latest
    ;;
put)
    base
    printf 'layer %s' "$3" | gzip -n >"$work/layer"
    blob "$1" "$work/config"
    blob "$1" "$work/layer"
    manifest "$1" "$2" "$3"
    ;;
delete) remove "$1" "$2" ;;
esac
