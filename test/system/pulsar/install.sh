#!/bin/sh
# Prints the directory with the programs of a real Pulsar (`pulsar-serve`, `pulsar-main`): the one that TES_GATEWAY_PULSAR names, or the pinned
# release from PyPI in an environment of its own below the cache.
set -eu
. "$(dirname "$0")/../common.sh"

if [ -n "${TES_GATEWAY_PULSAR:-}" ]; then
  echo "$TES_GATEWAY_PULSAR"
  exit 0
fi

install_pinned Pulsar "$engines_dir/pulsar" pulsar-serve
echo "$bin"
