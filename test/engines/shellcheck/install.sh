#!/bin/sh
# Puts the pinned shellcheck from PyPI below the cache, where scripts/shellcheck.mjs finds it, and prints its path.
set -eu
. "$(dirname "$0")/../common.sh"

pins=$(sha256sum "$engines_dir/shellcheck/requirements.txt" | cut -c 1-16)
out=$cache/shellcheck
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
if [ ! -x "$out/$pins/bin/shellcheck" ]; then
  have python3 && python3 -m venv --help >/dev/null 2>&1 || die 'python3 with venv is absent (Debian: python3-venv)'
  say 'fetching shellcheck'
  rm -rf "${out:?}/$pins"
  { python3 -m venv "$out/$pins" && "$out/$pins/bin/pip" install -q --disable-pip-version-check --no-deps -r "$engines_dir/shellcheck/requirements.txt"; } >"$out/install.log" 2>&1 || {
    tail -n 3 "$out/install.log" >&2
    rm -rf "${out:?}/$pins"
    die 'shellcheck could not be fetched'
  }
fi
echo "$out/$pins/bin/shellcheck"
