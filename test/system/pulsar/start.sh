#!/bin/sh
# Starts a real Pulsar with its REST interface on loopback, in a directory of its own, and prints PULSAR_URL=... and PULSAR_TOKEN=...;
# a second start finds the one that is up, a start after a stop or a kill finds its jobs, port and token again.
#   start.sh [--owner PID] [--manager NAME] [--broker URL [--prefix PREFIX] [--main]] DIR
# With a broker it is reached through that too; as `--main` through nothing else, and prints no PULSAR_URL.
# With an owner it ends by itself, by its pid, once every owner that was named has gone.
set -eu
. "$(dirname "$0")/../common.sh"

owner=
if [ "$1" = --owner ]; then
  owner=$2
  shift 2
fi
broker= prefix= manager=_default_ program=pulsar-serve
while :; do
  case $1 in
    --broker) broker=$2 && shift 2 ;;
    --prefix) prefix=$2 && shift 2 ;;
    --manager) manager=$2 && shift 2 ;;
    --main) program=pulsar-main && shift ;;
    *) break ;;
  esac
done
case $1 in /*) dir=$1 ;; *) die 'the directory must be absolute' ;; esac

mkdir -p "$dir/owners" "$dir/run" "$dir/home"
exec 9>"$dir/lock"
flock 9
watch_owners pulsar "$owner"
[ -f "$dir/token" ] || od -An -tx1 -N 12 /dev/urandom | tr -d ' \n' >"$dir/token"
token=$(cat "$dir/token")

ready() { # PORT
  { [ "$program" = pulsar-main ] || serves "$1"; } && { [ -z "$broker" ] || consumes; }
}

# Somebody waits for jobs at the broker.
consumes() {
  keys=pulsar_
  [ "$manager" = _default_ ] || keys=pulsar_${manager}_
  "$bin/python" - "$broker" "${prefix:-$keys}_setup" 9>&- <<'PY' >/dev/null 2>&1
import sys, kombu
with kombu.Connection(sys.argv[1], connect_timeout=2) as connection:
    sys.exit(0 if connection.default_channel.queue_declare(sys.argv[2], passive=True).consumer_count > 0 else 1)
PY
}

# Until Pulsar has loaded, it takes connections and does not answer.
serves() { # PORT
  "$bin/python" - "http://127.0.0.1:$1/managers/$manager/healthz?private_token=$token" 9>&- <<'PY' >/dev/null 2>&1
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
  $manager: {type: queued_python, num_concurrent_jobs: 4}
YML
  [ -z "$broker" ] || echo "message_queue_url: $broker" >>"$dir/app.yml"
  [ -z "$prefix" ] || echo "amqp_key_prefix: $prefix" >>"$dir/app.yml"
  set -- "$1" ../server.ini
  [ "$program" = pulsar-serve ] || set -- "$1" -c "$dir"
  printf '[server:main]\nhost = 127.0.0.1\nport = %s\n[app:main]\napp_config = %%(here)s/app.yml\n' "$1" >"$dir/server.ini"
  port_wanted=$1
  shift
  (cd "$dir/run" && HOME="$dir/home" exec setsid "$bin/$program" "$@" >>"$dir/log" 2>&1 9>&- </dev/null) &
  started=$!
  echo "$started" >"$dir/pulsar.pid"
  tries=300
  until ready "$port_wanted"; do
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
[ "$program" = pulsar-main ] || echo "PULSAR_URL=http://127.0.0.1:$(cat "$dir/port")"
echo "PULSAR_TOKEN=$token"
