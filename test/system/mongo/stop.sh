#!/bin/sh
# Ends the mongod of a directory by its pid: stop.sh DIR. The data stays.
set -eu
. "$(dirname "$0")/../common.sh"

lock_directory "$@"

pid=$(cat "$dir/mongod.pid" 2>/dev/null || true)
if running "$pid" && grep -qaF "$dir/data" "/proc/$pid/cmdline"; then end_process "$pid" 20; fi
rm -f "$dir/mongod.pid"
