#!/bin/sh
# Starts a real RabbitMQ on loopback, as the user who calls, in a directory of its own, and prints AMQP_URL=...; a second start finds the one
# that is up, a start after a stop or a kill finds its queues and port again.
#   start.sh [--owner PID] [--tls] DIR
# With --tls it takes TLS too, by the certificates in DIR/tls (ca.pem, server.crt, server.key), and prints AMQPS_URL=...
# It has a port mapper (epmd) of its own, which ends with it. With an owner it ends by itself, by its pid, once every owner that was named has gone.
set -eu
. "$(dirname "$0")/../common.sh"

owner=
if [ "$1" = --owner ]; then
  owner=$2
  shift 2
fi
tls=
if [ "$1" = --tls ]; then
  tls=yes
  shift
fi
case $1 in /*) dir=$1 ;; *) die 'the directory must be absolute' ;; esac

mkdir -p "$dir/owners" "$dir/mnesia" "$dir/logs"
exec 9>"$dir/lock"
flock 9
watch_owners rabbitmq "$owner"

start() { # PORT: of the broker; the three after it are for its own use and for TLS
  echo '[].' >"$dir/enabled_plugins"
  cat >"$dir/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$1
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 512MB
log.console = true
CONF
  [ -z "$tls" ] || cat >>"$dir/rabbitmq.conf" <<CONF
listeners.ssl.1 = 127.0.0.1:$(($1 + 3))
ssl_options.cacertfile = $dir/tls/ca.pem
ssl_options.certfile = $dir/tls/server.crt
ssl_options.keyfile = $dir/tls/server.key
ssl_options.verify = verify_none
CONF
  # A node name that resolves everywhere: with another one it fails after a minute, and says that all is well.
  (
    cd "$dir"
    export ERL_CRASH_DUMP_SECONDS=0 HOME="$dir" HOSTNAME=localhost RABBITMQ_NODENAME="tes$1@localhost" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$1" \
      RABBITMQ_DIST_PORT=$(($1 + 1)) RABBITMQ_MNESIA_BASE="$dir/mnesia" RABBITMQ_LOG_BASE="$dir/logs" RABBITMQ_PID_FILE="$dir/rabbit.pid" \
      RABBITMQ_CONFIG_FILE="$dir/rabbitmq" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins" \
      ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$(($1 + 2)) \
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}'
    exec setsid "$programs/rabbitmq-server" >>"$dir/log" 2>&1 9>&- </dev/null
  ) &
  started=$!
  tries=450
  until [ -s "$dir/rabbit.pid" ] && answers "$1"; do
    tries=$((tries - 1))
    [ "$tries" != 0 ] && running "$started" || return 1
    sleep 0.2
  done
}

# The broker greets nobody; what is no AMQP it answers with its own protocol's name once it has started.
answers() { # PORT
  python3 - "$1" 9>&- <<'PY' >/dev/null 2>&1
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2) as s:
    s.sendall(b"AMQP\x00\x00\x09\x01")
    sys.exit(0 if s.recv(1) == b"\x01" else 1)
PY
}

if ! running "$(cat "$dir/rabbit.pid" 2>/dev/null)"; then
  programs=$("$engines_dir/rabbitmq/install.sh" 9>&-)
  tries=3
  while :; do
    rm -f "$dir/rabbit.pid"
    # Stays below the range from which the system takes ports for connections.
    port=$(cat "$dir/port" 2>/dev/null || shuf -i 12000-19990 -n 1)
    start "$port" && break
    tries=$((tries - 1))
    end_process "$started" 10
    [ "$tries" != 0 ] || { tail -n 5 "$dir/log" >&2 && die 'RabbitMQ did not become ready'; }
  done
  echo "$port" >"$dir/port"
fi
echo "AMQP_URL=amqp://guest:guest@127.0.0.1:$(cat "$dir/port")"
[ -z "$tls" ] || echo "AMQPS_URL=amqps://guest:guest@127.0.0.1:$(($(cat "$dir/port") + 3))"
