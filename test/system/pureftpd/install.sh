#!/bin/sh
# Prints the directory of a Pure-FTPd: the package of Debian, unpacked into the cache and not installed, because two FTP servers cannot be.
set -eu
. "$(dirname "$0")/../common.sh"

out=$cache/pureftpd
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
if [ ! -x "$out/root/usr/sbin/pure-ftpd" ]; then
  have apt-get && have dpkg || die 'apt-get is absent, which fetches Pure-FTPd'
  have openssl || die 'openssl is absent, which makes the certificate of the FTP server'
  say 'fetching Pure-FTPd'
  rm -rf "$out/work"
  mkdir -p "$out/work/root"
  {
    cd "$out/work"
    apt-get download pure-ftpd || { apt-get -qq update && apt-get download pure-ftpd; }
    dpkg -x pure-ftpd_*.deb root
  } >"$out/install.log" 2>&1 9>&- || {
    tail -n 3 "$out/install.log" >&2
    die "Pure-FTPd could not be fetched; see $out/install.log"
  }
  if ldd root/usr/sbin/pure-ftpd | grep 'not found' >&2; then die 'libraries of Pure-FTPd are absent'; fi
  rm -rf "$out/root"
  mv "$out/work/root" "$out/root"
fi
echo "$out/root"
