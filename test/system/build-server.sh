#!/bin/sh
# Builds the server when its sources are newer than what was built, once at a time, and prints the file to start.
set -eu
. "$(dirname "$0")/common.sh"

top=$(cd "$engines_dir/../.." && pwd)
mkdir -p "$cache"
exec 9>"$cache/build-$(printf %s "$top" | cksum | cut -d' ' -f1).lock"
flock 9
if [ ! -f "$top/dist/main.js" ] || [ -n "$(find "$top/src" "$top/package-lock.json" -newer "$top/dist/main.js" -type f | head -n 1)" ]; then
  say 'building the server'
  (cd "$top" && PATH=$top/node_modules/.bin:$PATH npm run --silent build 9>&-) >&2 || die 'the server cannot be built'
  touch "$top/dist/main.js"
fi
echo "$top/dist/main.js"
