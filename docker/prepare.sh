#!/bin/sh
# Makes what docker-compose.yaml wants beside it and keeps what is there: random secrets in secrets/, and in .env the group that may use docker.
set -eu
cd "$(dirname "$0")/.."
umask 022

# The folder is closed to everybody else; the files are not, because the containers' users have other numbers.
mkdir -p secrets
chmod 700 secrets
random() { head -c 64 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | cut -c "1-$1"; }
secret() { # NAME TEXT
  [ -s "secrets/$1" ] || { printf '%s' "$2" >"secrets/$1" && echo "made secrets/$1"; }
}
secret mongo_key "$(random 60)"
secret mongo_admin_password "$(random 32)"
secret store_url "mongodb://tes_gateway:$(random 32)@mongo:27017/?replicaSet=rs0&authSource=admin"
secret pulsar_token "$(random 32)"
secret amqp_url "amqp://tes_gateway:$(random 32)@rabbitmq:5672"

socket=${DOCKER_SOCKET:-/var/run/docker.sock}
[ -S "$socket" ] || { echo "there is no docker at $socket: set DOCKER_SOCKET" >&2 && exit 1; }
if ! grep -qs '^DOCKER_GID=' .env; then
  echo "DOCKER_GID=$(stat -c %g "$socket")" >>.env
  echo 'made .env'
fi
