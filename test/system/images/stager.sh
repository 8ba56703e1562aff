#!/bin/sh
# An image with nothing but node, its libraries and the stager: stager.sh docker|podman NODE STAGER.js. Prints its name.
# Started as `/node /stager.js WORKSPACE`. One that was made from the same files is left alone.
set -eu
. "$(dirname "$0")/../common.sh"

engine=$1
node=$(readlink -f "$2")
stager=$3
name=localhost/stager:latest
identity="tes-gateway $(cat "$node" "$stager" | sha256sum | cut -c 1-32)"
if [ "$("$engine" image inspect -f '{{.Comment}}' "$name" 2>/dev/null)" != "$identity" ]; then
  mkdir -p "$cache"
  root=$(mktemp -d "$cache/stager-image-XXXXXX")
  trap 'rm -rf "$root"' EXIT
  cp "$node" "$root/node"
  cp "$stager" "$root/stager.js"
  for library in $(ldd "$node" | grep -o '/[^ ]*'); do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
  mkdir -p "$root/tmp"
  tar -C "$root" -cf - . | "$engine" import -m "$identity" -c 'USER 1000:1000' - "$name" >/dev/null
fi
echo "$name"
