#!/bin/sh
# Stops the dockerd in a directory when the last of its owners (files named by pid in DIR/owners) has gone. Started by start.sh.
set -eu
. "$(dirname "$0")/../common.sh"

dir=$1
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
    "$engines_dir/docker/stop.sh" --locked "$dir"
    exit 0
  fi
  exec 9>&-
done
