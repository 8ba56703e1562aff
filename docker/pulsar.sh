#!/bin/sh
# The Pulsar of docker-compose.yaml. What its secrets hold goes into a file in memory that nobody else reads, not into its environment.
# With a broker's address among them it takes its jobs from there too.
set -eu
umask 077
mkdir -p /tmp/pulsar
cat >/tmp/pulsar/app.yml <<YML
staging_directory: /var/lib/pulsar/staging
persistence_directory: /var/lib/pulsar/persist
private_token: $(cat /run/secrets/pulsar_token)
conda_auto_init: false
conda_auto_install: false
managers: {_default_: {type: queued_python, num_concurrent_jobs: 4}}
YML
[ ! -e /run/secrets/amqp_url ] || echo "message_queue_url: $(cat /run/secrets/amqp_url)" >>/tmp/pulsar/app.yml
printf '[server:main]\nhost = 0.0.0.0\nport = 8913\n[app:main]\napp_config = %%(here)s/app.yml\n' >/tmp/pulsar/server.ini
cd /var/lib/pulsar
# Pulsar wants the token in each URL, and its log names the URL of a request that fails.
rm -f /tmp/pulsar/log
mkfifo /tmp/pulsar/log
sed -u 's/private_token=[^&[:space:]]*/private_token=***/g' </tmp/pulsar/log &
exec /opt/pulsar/bin/pulsar-serve /tmp/pulsar/server.ini >/tmp/pulsar/log 2>&1
