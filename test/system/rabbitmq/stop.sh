#!/bin/sh
# Ends the RabbitMQ of a directory and its port mapper by their pids: stop.sh DIR. Its queues stay.
set -eu
. "$(dirname "$0")/../common.sh"

lock_directory "$@"

pid=$(cat "$dir/rabbit.pid" 2>/dev/null || true)
if running "$pid" && grep -qzxF "$dir" "/proc/$pid/cmdline"; then end_process "$pid" 20; fi
rm -f "$dir/rabbit.pid"
# The port mapper has no file of its own, and is known by the directory that it was given as its home.
for file in /proc/[0-9]*/environ; do
  mapper=${file%/environ}
  if grep -qsazxF "HOME=$dir" "$file" && [ "$(cat "$mapper/comm" 2>/dev/null)" = epmd ]; then end_process "${mapper##*/}" 5; fi
done
