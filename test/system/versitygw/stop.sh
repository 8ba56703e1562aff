#!/bin/sh
# Ends the S3 server of a directory by its pid: stop.sh DIR. What is stored stays.
set -eu
. "$(dirname "$0")/../common.sh"

lock_directory "$@"

pid=$(cat "$dir/versitygw.pid" 2>/dev/null || true)
if running "$pid" && grep -qaF "$dir/data" "/proc/$pid/cmdline"; then end_process "$pid" 10; fi
rm -f "$dir/versitygw.pid"
