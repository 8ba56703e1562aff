#!/bin/sh
# Prints the path of a versitygw, an S3 server: the one that TES_GATEWAY_VERSITYGW names, or the pinned release, built once from its source into the
# cache, which takes some minutes. Fetched, never part of this repository.
set -eu
. "$(dirname "$0")/../common.sh"

if [ -n "${TES_GATEWAY_VERSITYGW:-}" ]; then
  echo "$TES_GATEWAY_VERSITYGW"
  exit 0
fi

version=1.8.0
out=$cache/versitygw
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
if [ ! -x "$out/$version/versitygw" ]; then
  have go || die 'go (1.26 or later) is absent; set TES_GATEWAY_VERSITYGW'
  say "building versitygw $version"
  rm -rf "$out/work"
  mkdir -p "$out/work"
  GOTOOLCHAIN=local GOBIN="$out/work" nice go install "github.com/versity/versitygw/cmd/versitygw@v$version" >"$out/build.log" 2>&1 9>&- || {
    tail -n 3 "$out/build.log" >&2
    die "versitygw could not be built; see $out/build.log"
  }
  mv "$out/work" "$out/$version"
fi
echo "$out/$version/versitygw"
