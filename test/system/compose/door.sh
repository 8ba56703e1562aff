#!/bin/sh
# Opens a door into the network of a daemon: door.sh PID NODE SOCKET PORT; see door.mjs.
set -eu
exec nsenter -t "$1" -n "$2" "$(dirname "$0")/door.mjs" "$3" "$4"
