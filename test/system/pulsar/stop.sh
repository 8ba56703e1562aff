#!/bin/sh
# Ends the Pulsar of a directory by its pid: stop.sh DIR. Its jobs run on, as they would; their files stay.
set -eu
. "$(dirname "$0")/../common.sh"

lock_directory "$@"

pid=$(cat "$dir/pulsar.pid" 2>/dev/null || true)
if running "$pid" && grep -qaE 'pulsar-(serve|main)' "/proc/$pid/cmdline"; then end_process "$pid" 20; fi
rm -f "$dir/pulsar.pid"
