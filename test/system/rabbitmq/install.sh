#!/bin/sh
# Prints the directory with RabbitMQ's own programs (`rabbitmq-server`, `rabbitmqctl`), which Debian's package brings; its service is never started.
set -eu
. "$(dirname "$0")/../common.sh"

# shellcheck disable=SC2012
find_programs() { ls -d /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin 2>/dev/null | tail -n 1; }
if [ -z "$(find_programs)" ]; then "$engines_dir/install.sh" packages; fi
programs=$(find_programs)
[ -n "$programs" ] || die 'rabbitmq-server is not installed'
echo "$programs"
