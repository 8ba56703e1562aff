#!/bin/sh
# Waits for the lock on a file, says so, and holds it until its input ends: turn.sh FILE
set -eu
exec flock "$1" sh -c 'echo; exec cat >/dev/null'
