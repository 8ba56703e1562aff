#!/bin/sh
# Stand-ins for the images that docker-compose.yaml and the files of docker/ name, made from Debian and npm packages: nothing comes from an
# image registry. Real node, docker, mongod (6.0.5), mongosh, haproxy, python (3.11.2) and RabbitMQ (3.10.8) are in them, under the names of
# those files, in the docker that DOCKER_HOST names, which has the network for Debian's packages. A stand-in that is there and was made by
# this script is left alone.
set -eu
. "$(dirname "$0")/../common.sh"
umask 022

top=$(cd "$engines_dir/../.." && pwd)
parts=$("$engines_dir/compose/install.sh")
stamp=$(cat "$0" "$engines_dir/compose/install.sh" | cksum | cut -d' ' -f1)
out=$cache/compose/images
mkdir -p "$out"
exec 9>"$cache/compose/images.lock"
flock 9

# The name in `KEY: NAME` or `KEY=NAME` of one of the files.
named() { sed -n "s/^.*[=: ]\($1:[0-9][0-9a-z.-]*\)\$/\1/p" "$top/docker/Dockerfile" "$top/docker/pulsar.Dockerfile" "$top/docker-compose.yaml" | sort -u; }

# missing KEY: the names under KEY that have no stand-in yet.
missing() {
  for name in $(named "$1"); do
    [ "$(docker image inspect -f '{{index .Config.Labels "tes-gateway.stand-in"}}' "$name" 2>/dev/null)" = "$stamp" ] || echo "$name"
  done
}
# make NAME: an image from the folder `context`.
make() {
  say "making a stand-in for $1"
  DOCKER_BUILDKIT=0 docker build -q --network host --label "tes-gateway.stand-in=$stamp" -t "$1" "$out/context" >/dev/null 2>"$out/log" || die "see $out/log"
}
fresh() {
  rm -rf "$out/context"
  mkdir "$out/context"
}

debian=localhost/stand-in-debian:$stamp
docker image inspect "$debian" >/dev/null 2>&1 || docker import "$parts/debian.tar" "$debian" >/dev/null
node=$top/node_modules/node/bin/node

for name in $(missing node); do
  fresh
  cp "$node" "$out/context/"
  cp -RL "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" "$out/context/npm"
  cat >"$out/context/Dockerfile" <<DOCKERFILE
FROM $debian
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && groupadd -g 1000 node && useradd -u 1000 -g node -m node
DOCKERFILE
  make "$name"
done

for name in $(missing docker); do
  fresh
  cp "$(readlink -f "$(command -v docker)")" "$out/context/docker"
  printf 'FROM scratch\nCOPY docker /usr/local/bin/docker\n' >"$out/context/Dockerfile"
  make "$name"
done

for name in $(missing mongo); do
  fresh
  cp "$("$engines_dir/mongo/install.sh")" "$out/context/mongod"
  cp "$node" "$out/context/"
  cp -R "$parts/mongosh" "$out/context/mongosh"
  cat >"$out/context/Dockerfile" <<DOCKERFILE
FROM $debian
RUN groupadd -g 999 mongodb && useradd -u 999 -g mongodb -d /data/db mongodb && install -d -o mongodb -g mongodb /data/db /data/configdb
COPY node mongod /usr/local/bin/
COPY mongosh /usr/local/lib/mongosh
RUN ln -s ../lib/mongosh/node_modules/.bin/mongosh /usr/local/bin/mongosh
DOCKERFILE
  make "$name"
done

for name in $(missing haproxy); do
  fresh
  printf 'FROM %s\n' "$debian" >"$out/context/Dockerfile"
  make "$name"
done

# with PACKAGES: what Debian calls them.
with() { printf 'FROM %s\nRUN apt-get -qq update && apt-get -qq install -y --no-install-recommends %s && rm -rf /var/lib/apt/lists\n' "$debian" "$*"; }
for name in $(missing python); do
  fresh
  with python3 python3-venv python3-pip >"$out/context/Dockerfile"
  make "$name"
done

for name in $(missing rabbitmq); do
  fresh
  with rabbitmq-server >"$out/context/Dockerfile"
  # Without Debian's own start, which wants to change its user.
  cat >>"$out/context/Dockerfile" <<'DOCKERFILE'
RUN printf '#!/bin/sh\nexec /usr/lib/rabbitmq/bin/rabbitmq-server "$@"\n' >/usr/local/bin/rabbitmq-server && chmod 755 /usr/local/bin/rabbitmq-server
DOCKERFILE
  make "$name"
done
rm -rf "$out/context"
