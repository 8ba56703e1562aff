#!/bin/sh
# Builds the root file systems of the test images as tar files, without a registry, and prints the directory that holds them.
#   busybox.tar   busybox-static and its links
#   no-shell.tar  one static program, /busybox, and nothing else: no /bin/sh
#   filled.tar    busybox, and an image that fills /app and /opt/tool itself and has a user `worker` (1000) (see load.sh for USER)
set -eu
. "$(dirname "$0")/../common.sh"
umask 022

stamp=$(cksum <"$0" | cut -d' ' -f1)
out=$cache/images/$stamp
if [ ! -f "$out/done" ]; then
  busybox=$(command -v busybox) || die 'busybox is absent (Debian: busybox-static)'
  mkdir -p "$cache/images"
  work=$(mktemp -d "$cache/images/.build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  say 'building the test images'

  root=$work/busybox
  mkdir -p "$root/bin" "$root/etc" "$root/root" "$root/tmp" "$root/var/tmp" "$root/proc" "$root/sys" "$root/dev"
  chmod 1777 "$root/tmp" "$root/var/tmp"
  cp "$busybox" "$root/bin/busybox"
  "$root/bin/busybox" true 2>/dev/null || die 'busybox does not start'
  ! ldd "$busybox" >/dev/null 2>&1 || die 'busybox is not static (Debian: busybox-static)'
  for name in $("$busybox" --list); do
    [ "$name" = busybox ] || ln "$root/bin/busybox" "$root/bin/$name" 2>/dev/null || true
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000:worker:/app:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nworker:x:1000:\nnogroup:x:65534:\n' >"$root/etc/group"
  tar --owner=0 --group=0 --numeric-owner -C "$root" -cf "$work/busybox.tar" .

  root=$work/filled
  mkdir -p "$root/app/lib" "$root/opt/tool/bin"
  echo 'from the image: app' >"$root/app/own.txt"
  echo 'from the image: module' >"$root/app/lib/module.txt"
  printf '#!/bin/sh\necho "from the image: tool"\n' >"$root/opt/tool/bin/tool"
  chmod 755 "$root/opt/tool/bin/tool"
  cp "$work/busybox.tar" "$work/filled.tar"
  tar --owner=0 --group=0 --numeric-owner -C "$root" -rf "$work/filled.tar" ./opt
  tar --owner=1000 --group=1000 --numeric-owner -C "$root" -rf "$work/filled.tar" ./app

  root=$work/no-shell
  mkdir -p "$root"
  cp "$busybox" "$root/busybox"
  tar --owner=0 --group=0 --numeric-owner -C "$root" -cf "$work/no-shell.tar" .

  rm -rf "$work/busybox" "$work/filled" "$work/no-shell"
  chmod 755 "$work"
  : >"$work/done"
  mv -T "$work" "$out" 2>/dev/null || [ -f "$out/done" ]
fi
echo "$out"
