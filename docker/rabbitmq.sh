#!/bin/sh
# The broker of docker-compose.yaml: makes the one user that the secret names when it starts for the first time, and no `guest`.
set -eu
umask 077
login=$(sed 's|^amqp://\([^@]*\)@.*|\1|' /run/secrets/amqp_url)
cat >/tmp/rabbitmq.conf <<CONF
default_user = ${login%%:*}
default_pass = ${login#*:}
log.console = true
CONF
# Its log is the container's; older ones open a file beside it all the same.
export RABBITMQ_CONFIG_FILE=/tmp/rabbitmq.conf RABBITMQ_LOGS=- RABBITMQ_LOG_BASE=/tmp
exec rabbitmq-server
