#!/bin/sh
# Starts a real FTP server on loopback, in a directory of its own, and prints FTP_PORT=...; it speaks TLS, too, with a certificate of its own,
# DIR/certificate. Users are `tes` and `ann`, passwords `tes:secret` and `ann:secret`, whose files lie in DIR/root/USER; nobody else comes in. A
# second start finds the one that is up, a start after a stop or a kill finds the files and the port again.
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

mkdir -p "$dir/owners"
exec 9>"$dir/lock"
flock 9
watch_owners pureftpd "$owner"
programs=$("$engines_dir/pureftpd/install.sh" 9>&-)
id=20000

if [ ! -e "$dir/users.pdb" ]; then
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
    -keyout "$dir/key" -out "$dir/certificate" 2>>"$dir/log"
  cat "$dir/key" "$dir/certificate" >"$dir/key-and-certificate"
  # A hash that is quick to check: the one that the program makes takes seconds.
  for user in tes ann; do
    mkdir -p "$dir/root/$user"
    echo "$user:$(openssl passwd -5 "$user:secret"):$id:$id::$dir/root/$user/./::::::::::::"
  done >"$dir/users"
  chown -R "$id:$id" "$dir/root"
  "$programs/usr/bin/pure-pw" mkdb "$dir/users.pdb" -f "$dir/users" >>"$dir/log" 2>&1
fi

# start PORT
start() {
  # A session of its own, by which its processes are found again: it changes what they are called.
  setsid "$programs/usr/sbin/pure-ftpd" -S "127.0.0.1,$1" -l "puredb:$dir/users.pdb" -A -E -H -D -p "$(($1 + 1)):$(($1 + 199))" -P 127.0.0.1 -Y 1 \
    -2 "$dir/key-and-certificate" -g "$dir/pid" -u 1000 -c 60 -C 60 -L 200000:100 >>"$dir/log" 2>&1 9>&- </dev/null &
  started=$!
  echo "$started" >"$dir/pureftpd.pid"
  tries=100
  until listens "$1" "$started"; do
    tries=$((tries - 1))
    [ "$tries" != 0 ] && running "$started" || return 1
    sleep 0.1
  done
}

if ! running "$(cat "$dir/pureftpd.pid" 2>/dev/null)"; then
  tries=5
  while :; do
    port=$(cat "$dir/port" 2>/dev/null || echo $((20000 + $(shuf -i 0-60 -n 1) * 200)))
    start "$port" && break
    end_process "$started" 5
    tries=$((tries - 1))
    [ "$tries" != 0 ] || { tail -n 5 "$dir/log" >&2 && die 'Pure-FTPd did not become ready'; }
  done
  echo "$port" >"$dir/port"
fi
echo "FTP_PORT=$(cat "$dir/port")"
