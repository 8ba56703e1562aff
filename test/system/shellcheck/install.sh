#!/bin/sh
# Puts the pinned shellcheck from PyPI below the cache, where scripts/shellcheck.mjs finds it, and prints its path.
set -eu
. "$(dirname "$0")/../common.sh"

install_pinned shellcheck "$engines_dir/shellcheck" shellcheck
echo "$bin/shellcheck"
