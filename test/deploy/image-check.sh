#!/bin/sh
# `npm run image:check`, as root on Debian with buildah and debootstrap: builds .deploy/Dockerfile step by step, for real,
# where no registry can be reached. The images that it begins with are made here, from Debian's packages and this
# checkout's Node, and tagged with their names. Takes some minutes; nothing is left but what `podman` would list.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'umount "$work"/root/* 2>/dev/null || true; rm -rf "$work"' EXIT
storage="--storage-driver vfs --root $work/storage --runroot $work/run"

mirror=$(sed -nE 's#^URIs: *(https?://[^ ]+).*#\1#p; s#^deb *(\[.*\] )?(https?://[^ ]+).*#\2#p' \
  /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
[ -d "${BASE:-}" ] || {
  BASE=$work/root
  debootstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$BASE" "$mirror" >/dev/null
}
npm=$(dirname "$(dirname "$(realpath "$(command -v npm)")")")
cp "$(realpath node_modules/node/bin/node)" "$BASE/usr/local/bin/node"
mkdir -p "$BASE/usr/local/lib/node_modules"
cp -r "$npm" "$BASE/usr/local/lib/node_modules/"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$BASE/usr/local/bin/npm"
# The authorities of this machine, for a registry behind a bank's own.
mkdir -p "$BASE/etc/ssl/certs"
cat /etc/ssl/certs/ca-certificates.crt ${NODE_EXTRA_CA_CERTS:+"$NODE_EXTRA_CA_CERTS"} > "$BASE/etc/ssl/certs/node.crt"
tar -C "$BASE" -cf "$work/base.tar" --exclude='./proc/*' --exclude='./sys/*' .

printf 'FROM scratch\nADD base.tar /\nENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/node.crt\n' > "$work/Dockerfile"
for image in $(sed -nE 's/^FROM ([^ ]+).*/\1/p' .deploy/Dockerfile | grep -v '^scratch$'); do
  case $image in *.*/*) ;; *) image=docker.io/library/$image ;; esac
  # shellcheck disable=SC2086 # the options are words
  buildah $storage bud --isolation chroot --format docker --tag "$image" "$work" >/dev/null
done

# shellcheck disable=SC2086
buildah $storage bud --isolation chroot --format docker --pull-never \
  --ignorefile .deploy/Dockerfile.dockerignore --file .deploy/Dockerfile --tag signature-router .
# shellcheck disable=SC2086
buildah $storage inspect --type image --format '{{.Docker.Config}}' signature-router
# shellcheck disable=SC2086
container=$(buildah $storage from --pull-never signature-router)
# Without configuration it has to say what is missing, in production, as the image's own user.
# shellcheck disable=SC2086
if said=$(buildah $storage run --isolation chroot "$container" -- node main.mjs 2>&1); then
  echo "the image started without a configuration" >&2
  exit 1
fi
printf '%s\n' "$said"
case $said in *"NODE_ENV=production refuses the sandbox"*) echo "image: built, and runs" ;; *) exit 1 ;; esac
