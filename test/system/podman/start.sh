#!/bin/sh
# Makes a podman of the tests' own (configuration, storage) in a directory and prints the variables that point any podman at it.
# Nothing is started: podman has no daemon.   start.sh DIR
set -eu
. "$(dirname "$0")/../common.sh"

case $1 in /*) dir=$1 ;; *) die 'the directory must be absolute' ;; esac
have podman || die 'podman is absent (Debian: podman)'

mkdir -p "$dir"
runtime=runc
have runc || runtime=crun
# Without CAP_SYS_RESOURCE podman's own, larger default limits are refused; crun refuses a hybrid cgroup layout.
cat >"$dir/containers.conf.$$" <<CONF
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "$runtime"
events_logger = "file"
CONF
cat >"$dir/storage.conf.$$" <<CONF
[storage]
driver = "overlay"
graphroot = "$dir/storage"
runroot = "$dir/run"
CONF
mv "$dir/containers.conf.$$" "$dir/containers.conf"
mv "$dir/storage.conf.$$" "$dir/storage.conf"
echo "CONTAINERS_CONF=$dir/containers.conf"
echo "CONTAINERS_STORAGE_CONF=$dir/storage.conf"
