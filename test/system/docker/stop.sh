#!/bin/sh
# Ends the dockerd of a directory by its pid, with its containers, its containerd and its mounts: stop.sh DIR. Images stay in DIR/data.
set -eu
. "$(dirname "$0")/../common.sh"

lock_directory "$@"

pid=$(cat "$dir/docker.pid" 2>/dev/null || true)
if running "$pid" && grep -qaF "$dir/daemon.json" "/proc/$pid/cmdline"; then
  export DOCKER_HOST="unix://$dir/docker.sock"
  containers=$(timeout 20 docker ps -aq 2>/dev/null 9>&- || true)
  # shellcheck disable=SC2086
  [ -z "$containers" ] || timeout 30 docker rm -f $containers >/dev/null 2>&1 9>&- || true
  end_process "$pid" 20
fi
# What a kill -9 of the daemon leaves: its containerd, and one shim for each container, all of which name this directory.
for cmdline in /proc/[0-9]*/cmdline; do
  left=${cmdline#/proc/}
  left=${left%/cmdline}
  case $({ tr '\0' ' ' <"$cmdline"; } 2>/dev/null) in
  containerd*"$dir/exec/"* | */containerd*"$dir/exec/"*) end_process "$left" 5 ;;
  *) ;;
  esac
done
unmount_below "$dir"
rm -rf "$dir/docker.pid" "$dir/docker.sock" "$dir/exec"
