#!/bin/sh
# Prints the path of a tar (zstd) of a root file system with Debian 12's Snakemake 7, python3, bash and py-tes: the image that Snakemake's
# tasks run in, and, unpacked beside it (root/), the Snakemake that a user starts. Needs root the first time, and Debian's packages.
set -eu
. "$(dirname "$0")/../common.sh"

stamp=$(cksum <"$0" | cut -d' ' -f1)
out=$cache/images/snakemake-$stamp
mkdir -p "$cache/images"
exec 9>"$cache/images/snakemake.lock"
flock 9
if [ ! -f "$out/done" ]; then
  rm -rf --one-file-system "$cache"/images/snakemake-*
  have mmdebstrap || die 'mmdebstrap is absent'
  [ "$(id -u)" = 0 ] || die 'making the Snakemake image needs root'
  clients=$("$engines_dir/clients/install.sh")
  mkdir -p "$out"
  say 'making an image with Snakemake 7 (a few minutes)'
  mirror=$(sed -n 's/^URIs: *\([^ ]*\/debian\)\/\{0,1\}$/\1/p; s/^deb [^h]*\(http[^ ]*\/debian\)\/\{0,1\} .*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
  # The Azure and AWS libraries that Snakemake's packages pull in are 1.3 GB and not used: they are left out, and so is compiling them.
  # In a mount namespace of its own: no /dev or /proc of the machine stays mounted below the root if this is interrupted.
  TMPDIR=$out unshare --mount mmdebstrap --quiet --variant=apt --mode=root --include=snakemake,python3-attr,python3-dateutil \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/lib/python3/dist-packages/azure/*' --dpkgopt='path-exclude=/usr/lib/python3/dist-packages/botocore/data/*' \
    --essential-hook='chroot "$1" dpkg-divert --quiet --local --rename --add /usr/bin/py3compile && ln -s /bin/true "$1/usr/bin/py3compile"' \
    bookworm "$out/root" "${mirror:-http://deb.debian.org/debian}" >"$out/log" 2>&1 9>&- || {
    tail -n 5 "$out/log" >&2
    die 'mmdebstrap failed'
  }
  # Debian has no py-tes (it is pure Python); Snakemake calls `python`.
  cp -r "$clients"/py-tes-1.1.4/lib/python3*/site-packages/tes "$out/root/usr/lib/python3/dist-packages/"
  chroot "$out/root" python3 -m compileall -q /usr/lib/python3 >>"$out/log" 2>&1 9>&- || true
  ln -sfn python3 "$out/root/usr/bin/python"
  rm -rf "$out/root/var/cache/apt" "$out/root/var/lib/apt/lists"
  rm -f "$out/root/etc/resolv.conf"
  chroot "$out/root" snakemake --version >&2 || die 'Snakemake does not start'
  tar --numeric-owner -C "$out/root" --exclude ./dev/* -c . | zstd -q -3 -T0 -o "$out/snakemake.tar.zst"
  : >"$out/done"
fi
echo "$out/snakemake.tar.zst"
