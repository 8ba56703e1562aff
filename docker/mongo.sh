#!/bin/sh
# The database of docker-compose.yaml: one mongod with logins, as a replica set of one node, which is what several gateways need of it.
# The set and the users are made when they are missing; only this container's own loopback may do that, and only while there is no user.
set -eu
umask 077
cp /run/secrets/mongo_key /tmp/key

(
  export HOME=/tmp
  local='mongodb://127.0.0.1/?directConnection=true'
  until mongosh --quiet --norc "$local" --eval 'db.hello().ok' >/dev/null 2>&1; do sleep 1; done
  mongosh --quiet --norc "$local" /docker/mongo-users.js && : >/tmp/ready || echo 'mongo.sh: the users could not be made; see above' >&2
) &

exec mongod --quiet --replSet rs0 --keyFile /tmp/key --bind_ip_all --dbpath /data/db --wiredTigerCacheSizeGB "${CACHE_GB:-1}"
