#!/bin/sh
# Brings the test images into a container engine: load.sh docker|podman [snakemake]. The engine's environment (DOCKER_HOST, CONTAINERS_CONF ...) is the caller's.
# An image that is there and was made from the same tar is left alone.
set -eu
. "$(dirname "$0")/../common.sh"

engine=$1
tars=$("$engines_dir/images/build.sh")
quiet=
[ "$engine" = docker ] || quiet=-q

# load NAME TAR [import options]: the tar's identity is kept in the image's own message.
load() {
  name=localhost/$1:latest
  tar=$2
  shift 2
  identity="tes-gateway $(basename "$(dirname "$tar")")/$(basename "$tar")"
  [ "$("$engine" image inspect -f '{{.Comment}}' "$name" 2>/dev/null)" = "$identity" ] && return 0
  case $tar in
  *.zst) zstd -dcq "$tar" | "$engine" import $quiet -m "$identity" "$@" - "$name" >/dev/null ;;
  *) "$engine" import $quiet -m "$identity" "$@" "$tar" "$name" >/dev/null ;;
  esac
}

load busybox "$tars/busybox.tar" -c 'ENV PATH=/bin' -c 'CMD ["/bin/sh"]'
load no-shell "$tars/no-shell.tar"
load filled "$tars/filled.tar" -c 'ENV PATH=/opt/tool/bin:/bin' -c 'USER 1000:1000' -c 'WORKDIR /app'
if [ "${2:-}" = snakemake ]; then
  load snakemake "$("$engines_dir/images/snakemake.sh")" -c 'ENV PATH=/usr/local/bin:/usr/bin:/bin'
fi
