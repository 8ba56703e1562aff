#!/bin/sh
# Removes the containers that a test left in the podman of a directory: stop.sh DIR. Images stay.
set -eu
. "$(dirname "$0")/../common.sh"

dir=$1
[ -f "$dir/containers.conf" ] || exit 0
export CONTAINERS_CONF="$dir/containers.conf" CONTAINERS_STORAGE_CONF="$dir/storage.conf"
podman rm -fa -t 0 >/dev/null 2>&1 || true
