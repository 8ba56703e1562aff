#!/bin/sh
# Starts a real Pulsar with its REST interface on loopback, in a directory of its own, and prints PULSAR_URL=... and PULSAR_TOKEN=...;
# a second start finds the one that is up, a start after a stop or a kill finds its jobs, port and token again.
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

mkdir -p "$dir/owners" "$dir/run" "$dir/home"
exec 9>"$dir/lock"
flock 9
[ -z "$owner" ] || : >"$dir/owners/$owner"
[ -f "$dir/token" ] || od -An -tx1 -N 12 /dev/urandom | tr -d ' \n' >"$dir/token"
token=$(cat "$dir/token")

# Until Pulsar has loaded, it takes connections and does not answer.
ready() { # PORT
  "$bin/python" - "http://127.0.0.1:$1/healthz?private_token=$token" 9>&- <<'PY' >/dev/null 2>&1
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=2).read()
PY
}

start() { # PORT
  cat >"$dir/app.yml" <<YML
staging_directory: $dir/run/staging
persistence_directory: $dir/run/persist
private_token: $token
conda_auto_init: false
conda_auto_install: false
managers:
  _default_: {type: queued_python, num_concurrent_jobs: 4}
YML
  printf '[server:main]\nhost = 127.0.0.1\nport = %s\n[app:main]\napp_config = %%(here)s/app.yml\n' "$1" >"$dir/server.ini"
  (cd "$dir/run" && HOME="$dir/home" exec setsid "$bin/pulsar-serve" ../server.ini >>"$dir/log" 2>&1 9>&- </dev/null) &
  started=$!
  echo "$started" >"$dir/pulsar.pid"
  tries=300
  until ready "$1"; do
    tries=$((tries - 1))
    [ "$tries" != 0 ] && running "$started" || return 1
    sleep 0.2
  done
}

if ! running "$(cat "$dir/pulsar.pid" 2>/dev/null)"; then
  bin=$("$engines_dir/pulsar/install.sh" 9>&-)
  tries=4
  while :; do
    port=$(cat "$dir/port" 2>/dev/null || shuf -i 20000-32000 -n 1)
    start "$port" && break
    tries=$((tries - 1))
    end_process "$started" 10
    [ "$tries" != 0 ] || { tail -n 5 "$dir/log" >&2 && die 'Pulsar did not become ready'; }
  done
  echo "$port" >"$dir/port"
fi
if [ -n "$owner" ] && ! running "$(cat "$dir/watch.pid" 2>/dev/null)"; then
  setsid "$engines_dir/watch.sh" "$engines_dir/pulsar/stop.sh" "$dir" >/dev/null 2>&1 9>&- </dev/null &
  echo $! >"$dir/watch.pid"
fi
echo "PULSAR_URL=http://127.0.0.1:$(cat "$dir/port")"
echo "PULSAR_TOKEN=$token"
