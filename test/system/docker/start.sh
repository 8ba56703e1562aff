#!/bin/sh
# Starts a real dockerd in a directory of its own and prints DOCKER_HOST=...; a second start finds the one that is up.
#   start.sh [--owner PID] [--own-network] DIR
# With an owner the daemon ends by itself, by its pid, once every owner that was named has gone, however it went.
# With a network of its own it has docker's usual bridges and addresses, which reach nothing outside, and is reached by its socket alone.
set -eu
. "$(dirname "$0")/../common.sh"

owner=
if [ "$1" = --owner ]; then
  owner=$2
  shift 2
fi
enter=
network='"iptables":false,"bridge":"none",'
if [ "$1" = --own-network ]; then
  shift
  enter='unshare --net'
  network=
fi
case $1 in /*) dir=$1 ;; *) die 'the directory must be absolute' ;; esac
[ "${#dir}" -lt 80 ] || die "$dir is too long for a socket's path"
have dockerd || die 'dockerd is absent (Debian: docker.io)'
[ "$(id -u)" = 0 ] || die 'dockerd needs root'

mkdir -p "$dir/owners"
exec 9>"$dir/lock"
flock 9
watch_owners docker "$owner"

client() { DOCKER_HOST=unix://$dir/docker.sock docker version >/dev/null 2>&1 9>&-; }

if ! running "$(cat "$dir/docker.pid" 2>/dev/null)" || ! client; then
  "$engines_dir/docker/stop.sh" --locked "$dir"
  cat >"$dir/daemon.json" <<JSON
{"data-root":"$dir/data","exec-root":"$dir/exec","pidfile":"$dir/docker.pid","hosts":["unix://$dir/docker.sock"],
 $network"exec-opts":["native.cgroupdriver=cgroupfs"],"oom-score-adjust":0,
 "default-ulimits":{"nofile":{"Name":"nofile","Soft":20000,"Hard":20000}}}
JSON
  # The caller's settings of another daemon must not reach this one.
  # shellcheck disable=SC2086
  env -u DOCKER_HOST -u DOCKER_CONTEXT setsid $enter sh -c "${enter:+ip link set lo up && }exec dockerd --config-file '$dir/daemon.json'" >"$dir/log" 2>&1 9>&- </dev/null &
  started=$!
  tries=600
  until client; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ] || ! running "$started"; then
      tail -n 5 "$dir/log" >&2
      "$engines_dir/docker/stop.sh" --locked "$dir"
      die 'dockerd did not become ready'
    fi
    sleep 0.1
  done
fi
echo "DOCKER_HOST=unix://$dir/docker.sock"
