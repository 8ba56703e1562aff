#!/bin/sh
# Prints a directory with the programs `nginx` and `htpasswd`: this machine's own, else those of Debian's packages, unpacked into the cache.
set -eu
. "$(dirname "$0")/../common.sh"

out=$cache/web/$(cksum <"$0" | cut -d' ' -f1)
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
if [ ! -d "$out/bin" ]; then
  if have nginx && have htpasswd; then
    mkdir "$out/bin.part"
    ln -s "$(command -v nginx)" "$(command -v htpasswd)" "$out/bin.part"
  else
    have apt-get || die 'nginx and htpasswd are absent'
    say 'fetching nginx and htpasswd'
    rm -rf "$out/work" "$out/bin.part"
    mkdir -p "$out/work" "$out/bin.part"
    (cd "$out/work" && apt-get -qq -o APT::Sandbox::User=root download nginx apache2-utils libapr1 libaprutil1) >"$out/log" 2>&1 ||
      die "nginx and htpasswd cannot be fetched; see $out/log"
    for package in "$out"/work/*.deb; do dpkg -x "$package" "$out/files"; done
    rm -rf "$out/work"
    for program in sbin/nginx bin/htpasswd; do
      path=$out/bin.part/${program#*/}
      # shellcheck disable=SC2016
      printf '#!/bin/sh\nLD_LIBRARY_PATH=$(echo "%s"/usr/lib/*-linux-gnu) exec "%s" "$@"\n' "$out/files" "$out/files/usr/$program" >"$path"
      chmod +x "$path"
    done
  fi
  mv "$out/bin.part" "$out/bin"
fi
echo "$out/bin"
