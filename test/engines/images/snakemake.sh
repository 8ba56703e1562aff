#!/bin/sh
# Prints the path of a tar (zstd) of a root file system with Debian 12's Snakemake 7, python3, bash and py-tes: the image that Snakemake's
# tasks run in, and, unpacked beside it (.root), the Snakemake that a user starts. Needs root the first time, and Debian's packages.
set -eu
. "$(dirname "$0")/../common.sh"

stamp=$(cksum <"$0" | cut -d' ' -f1)
out=$cache/images/snakemake-$stamp
mkdir -p "$cache/images"
exec 9>"$cache/images/snakemake.lock"
flock 9
if [ ! -f "$out/done" ]; then
  have mmdebstrap || die 'mmdebstrap is absent'
  [ "$(id -u)" = 0 ] || die 'making the Snakemake image needs root'
  rm -rf "$out"
  mkdir -p "$out"
  say 'making an image with Snakemake 7 (a few minutes)'
  mirror=$(sed -n 's/^URIs: *\([^ ]*\/debian\)\/\{0,1\}$/\1/p; s/^deb [^h]*\(http[^ ]*\/debian\)\/\{0,1\} .*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
  TMPDIR=$out mmdebstrap --quiet --variant=apt --mode=root --include=snakemake,python3-venv,python3-pip,python3-attr,python3-dateutil \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$out/root" "${mirror:-http://deb.debian.org/debian}" >"$out/log" 2>&1 9>&- || {
    tail -n 5 "$out/log" >&2
    die 'mmdebstrap failed'
  }
  # Debian has no py-tes; Snakemake calls `python`.
  python3 -m pip download -q --no-deps --no-binary none -d "$out/wheels" py-tes==1.1.4 >>"$out/log" 2>&1 || die "py-tes could not be fetched; see $out/log"
  cp -r "$out/wheels" "$out/root/wheels"
  chroot "$out/root" python3 -m pip install -q --no-deps --no-index --break-system-packages --root-user-action=ignore /wheels/* >>"$out/log" 2>&1 9>&- ||
    die "py-tes could not be installed; see $out/log"
  ln -sfn python3 "$out/root/usr/bin/python"
  rm -rf "$out/root/wheels" "$out/root/var/cache/apt" "$out/root/var/lib/apt/lists" "$out/wheels"
  rm -f "$out/root/etc/resolv.conf"
  chroot "$out/root" snakemake --version >&2 || die 'Snakemake does not start'
  tar --numeric-owner -C "$out/root" --exclude ./dev/* -c . | zstd -q -3 -T0 -o "$out/snakemake.tar.zst"
  : >"$out/done"
fi
echo "$out/snakemake.tar.zst"
