#!/bin/sh
# Installs the Python clients of the tests, each version in a virtual environment of its own, and prints the directory that holds them.
set -eu
. "$(dirname "$0")/../common.sh"

out=$cache/clients
mkdir -p "$out"
exec 9>"$out/lock"
flock 9

# client NAME REQUIREMENT...: made anew when the requirements change.
client() {
  name=$1
  shift
  [ "$(cat "$out/$name/done" 2>/dev/null)" != "$*" ] || return 0
  python3 -m venv --help >/dev/null 2>&1 || die 'python3 with venv is absent (Debian: python3-venv)'
  say "installing $name"
  rm -rf "${out:?}/$name"
  python3 -m venv "$out/$name" && "$out/$name/bin/pip" install -q --disable-pip-version-check "$@" >"$out/$name.log" 2>&1 || {
    tail -n 3 "$out/$name.log" >&2
    die "$name could not be installed"
  }
  echo "$*" >"$out/$name/done"
}

# The newest, and the one that Snakemake's plugin and Toil's pin.
client py-tes-1.1.4 py-tes==1.1.4
# It uses six without asking for it.
client py-tes-0.4.2 py-tes==0.4.2 six==1.17.0
# Drives the server with requests made from its own document.
client schemathesis-4.32.5 schemathesis==4.32.5
echo "$out"
