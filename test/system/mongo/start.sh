#!/bin/sh
# Starts a real mongod, a replica set of one node on loopback, in a directory of its own and prints MONGODB_URI=...;
# a second start finds the one that is up, a start after a stop or a kill finds the data and the port again.
#   start.sh [--owner PID] [--member] DIR
# Options of mongod may stand in DIR/mongod.conf, what a connection string needs for them (tls=true&...) in DIR/query.
# As a member it is left for replica-set.mjs to make a set of several. With an owner the server ends by itself, by its pid, once every owner that was named has gone, however it went.
set -eu
. "$(dirname "$0")/../common.sh"

owner=
if [ "$1" = --owner ]; then
  owner=$2
  shift 2
fi
member=
if [ "$1" = --member ]; then
  member=1
  shift
fi
case $1 in /*) dir=$1 ;; *) die 'the directory must be absolute' ;; esac

mkdir -p "$dir/owners" "$dir/data"
exec 9>"$dir/lock"
flock 9
watch_owners mongo "$owner"

node=$engines_dir/../../node_modules/.bin/node
[ -x "$node" ] || node=node

# ready PORT: makes the set if there is none yet and waits until it takes writes.
ready() { MONGO_QUERY=$(cat "$dir/query" 2>/dev/null || true) "$node" "$engines_dir/mongo/replica-set.mjs" "$1" 9>&-; }

start() {
  port=$1
  set --
  [ ! -f "$dir/mongod.conf" ] || set -- --config "$dir/mongod.conf"
  "$mongod" "$@" --dbpath "$dir/data" --port "$port" --bind_ip 127.0.0.1 --replSet rs0 --nounixsocket --pidfilepath "$dir/mongod.pid" \
    --wiredTigerCacheSizeGB 0.5 --oplogSize 256 --logpath "$dir/log" --logappend \
    --setParameter diagnosticDataCollectionEnabled=false --setParameter enableTestCommands=1 --setParameter ttlMonitorSleepSecs=1 \
    >"$dir/output" 2>&1 9>&- </dev/null &
  started=$!
  tries=100
  # It listens, or it has ended because the port is taken.
  until grep -q '"Waiting for connections"' "$dir/log"; do
    tries=$((tries - 1))
    [ "$tries" != 0 ] && running "$started" || return 1
    sleep 0.1
  done
}

if ! running "$(cat "$dir/mongod.pid" 2>/dev/null)"; then
  mongod=$("$engines_dir/mongo/install.sh" 9>&-)
  rm -f "$dir/mongod.pid"
  port=$(cat "$dir/port" 2>/dev/null || true)
  tries=20
  while :; do
    : >"$dir/log"
    [ -n "$port" ] && start "$port" && break
    # The port is part of the set's configuration, so another one needs a new set.
    [ -f "$dir/port" ] && [ -n "$port" ] && rm -rf "$dir/data" && mkdir "$dir/data"
    tries=$((tries - 1))
    [ "$tries" != 0 ] || { tail -n 5 "$dir/log" "$dir/output" >&2 && die 'mongod did not become ready'; }
    port=$(shuf -i 20000-32000 -n 1)
    echo "$port" >"$dir/port"
  done
fi
port=$(cat "$dir/port")
[ -n "$member" ] || ready "$port" || die "mongod on port $port does not take writes; see $dir/log"
echo "MONGODB_URI=mongodb://127.0.0.1:$port/?replicaSet=rs0"
