#!/bin/sh
# Starts a real S3 server on loopback, in a directory of its own, and prints S3_URL=...; the keys are `tes` and `tes-secret`. What is stored lies
# in DIR/data/BUCKET. A second start finds the one that is up, a start after a stop or a kill finds the data and the port again.
#   start.sh [--owner PID] DIR
# With an owner it ends by itself, by its pid, once every owner that was named has gone.
set -eu
. "$(dirname "$0")/../common.sh"

owner=
if [ "$1" = --owner ]; then
  owner=$2
  shift 2
fi
case $1 in /*) dir=$1 ;; *) die 'the directory must be absolute' ;; esac

mkdir -p "$dir/owners" "$dir/data" "$dir/iam" "$dir/versions"
exec 9>"$dir/lock"
flock 9
watch_owners versitygw "$owner"

# It says so when somebody else's server has the port, and ends.
start() {
  ROOT_ACCESS_KEY=tes ROOT_SECRET_KEY=tes-secret setsid "$versitygw" --port "127.0.0.1:$1" --health /health --keep-alive --quiet --iam-dir "$dir/iam" posix --versioning-dir "$dir/versions" \
    "$dir/data" >>"$dir/log" 2>&1 9>&- </dev/null &
  started=$!
  echo "$started" >"$dir/versitygw.pid"
  tries=100
  until listens "$1" "$started"; do
    tries=$((tries - 1))
    [ "$tries" != 0 ] && running "$started" || return 1
    sleep 0.1
  done
}

if ! running "$(cat "$dir/versitygw.pid" 2>/dev/null)"; then
  versitygw=$("$engines_dir/versitygw/install.sh" 9>&-)
  tries=5
  while :; do
    port=$(cat "$dir/port" 2>/dev/null || shuf -i 20000-32000 -n 1)
    start "$port" && break
    end_process "$started" 5
    tries=$((tries - 1))
    [ "$tries" != 0 ] || { tail -n 5 "$dir/log" >&2 && die 'versitygw did not become ready'; }
  done
  echo "$port" >"$dir/port"
fi
echo "S3_URL=http://127.0.0.1:$(cat "$dir/port")"
