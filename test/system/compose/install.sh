#!/bin/sh
# Fetches what the compose test needs and no package of this system gives, into the cache, and prints the directory that holds it:
#   config      for DOCKER_CONFIG: with it `docker compose` is there. Empty where it is anyway, else the plugin of Debian's next release,
#               whose programs run on this one as well
#   debian.tar  a small Debian with haproxy and mongod's libraries, of which images.sh makes images
#   mongosh     MongoDB's shell, from npm
set -eu
. "$(dirname "$0")/../common.sh"
umask 022

out=$cache/compose/$(cksum <"$0" | cut -d' ' -f1)
mkdir -p "$out/config/cli-plugins"
exec 9>"$cache/compose/install.lock"
flock 9

export DOCKER_CONFIG="$out/config"
if ! docker compose version >/dev/null 2>&1; then
  have apt-get && [ "$(id -u)" = 0 ] || die 'docker compose is absent'
  say 'fetching docker compose'
  work=$out/.work
  rm -rf "$work"
  mkdir -p "$work/lists/partial" "$work/archives/partial"
  : >"$work/status"
  mirror=$(sed -n 's/^URIs: *\([^ ]*\/debian\)\/\{0,1\}$/\1/p; s/^deb [^h]*\(http[^ ]*\/debian\)\/\{0,1\} .*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} trixie main" >"$work/next.list"
  next() {
    apt-get -qq -o Dir::Etc::SourceList="$work/next.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::lists="$work/lists" \
      -o Dir::State::status="$work/status" -o Dir::Cache="$work" -o Dir::Cache::archives="$work/archives" \
      -o APT::Sandbox::User=root "$@" >>"$out/apt.log" 2>&1
  }
  (cd "$work" && next update && next download docker-compose) || die "docker compose could not be fetched; see $out/apt.log"
  dpkg -x "$work"/docker-compose_*.deb "$work/files"
  mv "$work/files/usr/libexec/docker/cli-plugins/docker-compose" "$DOCKER_CONFIG/cli-plugins/"
  rm -rf "$work"
  docker compose version >/dev/null 2>&1 || die 'docker compose does not start'
fi

if [ ! -f "$out/debian.tar" ]; then
  have mmdebstrap || die 'mmdebstrap is absent'
  say 'making a Debian for the stand-in images'
  TMPDIR=$out unshare --mount mmdebstrap --quiet --variant=minbase --mode=root --include=libcurl4,libstdc++6,haproxy \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$out/debian.part.tar" >"$out/log" 2>&1 9>&- || die "a Debian cannot be made; see $out/log"
  mv "$out/debian.part.tar" "$out/debian.tar"
fi

if [ ! -d "$out/mongosh" ]; then
  say 'fetching mongosh'
  rm -rf "$out/mongosh.part"
  npm install --prefix "$out/mongosh.part" --no-audit --no-fund --omit=optional --ignore-scripts mongosh@2.12.0 >"$out/log" 2>&1 9>&- || die "mongosh could not be fetched; see $out/log"
  mv "$out/mongosh.part" "$out/mongosh"
fi
echo "$out"
