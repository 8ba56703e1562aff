#!/bin/sh
# Ends the Pulsar of a directory by its pid: stop.sh DIR. Its jobs run on, as they would; their files stay.
set -eu
. "$(dirname "$0")/../common.sh"

if [ "$1" = --locked ]; then
  shift
else
  exec 9>"$1/lock"
  flock 9
fi
dir=$1

pid=$(cat "$dir/pulsar.pid" 2>/dev/null || true)
if running "$pid" && grep -qaE 'pulsar-(serve|main)' "/proc/$pid/cmdline"; then end_process "$pid" 20; fi
rm -f "$dir/pulsar.pid"
