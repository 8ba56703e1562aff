#!/bin/sh
# Stops the server in a directory when the last of its owners (files named by pid in DIR/owners) has gone: watch.sh STOP_SCRIPT DIR.
# Started by the start scripts.
set -eu
. "$(dirname "$0")/common.sh"

stop=$1
dir=$2
while :; do
  sleep 0.5
  exec 9>"$dir/lock"
  flock 9
  left=0
  for file in "$dir"/owners/*; do
    [ -e "$file" ] || continue
    if running "${file##*/}"; then left=1; else rm -f "$file"; fi
  done
  if [ "$left" = 0 ]; then
    rm -f "$dir/watch.pid"
    "$stop" --locked "$dir"
    exit 0
  fi
  exec 9>&-
done
