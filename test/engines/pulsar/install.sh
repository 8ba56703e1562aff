#!/bin/sh
# Prints the directory with the programs of a real Pulsar (`pulsar-serve`, `pulsar-main`): the one that TES_GATEWAY_PULSAR names, or the pinned
# release from PyPI in an environment of its own below the cache.
set -eu
. "$(dirname "$0")/../common.sh"

if [ -n "${TES_GATEWAY_PULSAR:-}" ]; then
  echo "$TES_GATEWAY_PULSAR"
  exit 0
fi

here=$engines_dir/pulsar
out=$cache/pulsar
pins=$(sha256sum "$here/requirements.txt" | cut -c 1-16)
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
if [ ! -x "$out/$pins/bin/pulsar-serve" ]; then
  python3 -m venv --help >/dev/null 2>&1 || die 'python3 with venv is absent (Debian: python3-venv)'
  say 'fetching Pulsar'
  rm -rf "${out:?}/$pins"
  { python3 -m venv "$out/$pins" && "$out/$pins/bin/pip" install -q --disable-pip-version-check --no-deps -r "$here/requirements.txt"; } >"$out/install.log" 2>&1 || {
    tail -n 3 "$out/install.log" >&2
    rm -rf "${out:?}/$pins"
    die 'Pulsar could not be fetched'
  }
fi
echo "$out/$pins/bin"
