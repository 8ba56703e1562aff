#!/bin/sh
# Prints the directory that holds a working `apptainer` and, below sif/, the test images as SIF files; builds it into the cache first.
# An apptainer that the machine has is used. Otherwise, on Debian or Ubuntu: the packages of Debian's unstable, which is the only one that
# has it, unpacked into a directory of their own with their own C library, so that they run on any older one. Nothing is installed.
set -eu
. "$(dirname "$0")/../common.sh"
umask 022

tars=$("$engines_dir/images/build.sh")
stamp=$(cat "$0" "$tars/done" | cksum | cut -d' ' -f1)-$(basename "$tars")
home=$cache/apptainer/$stamp

# make_own DEST: DEST is final, its path is patched into the programs.
make_own() (
  dest=$1
  work=$dest/.work
  lib=$dest/usr/lib/x86_64-linux-gnu
  [ "$(uname -m)" = x86_64 ] || die 'no recipe for apptainer on this processor'
  [ -f /usr/share/keyrings/debian-archive-keyring.gpg ] || die 'debian-archive-keyring is absent'
  mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/debs"
  : >"$work/status"
  cd "$work"
  mirror=$(sed -n 's/^URIs: *\([^ ]*\/debian\)\/\{0,1\}$/\1/p; s/^deb [^h]*\(http[^ ]*\/debian\)\/\{0,1\} .*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} sid main" >"$work/sid.list"
  sid() {
    apt-get -qq -o Dir::Etc::SourceList="$work/sid.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::lists="$work/lists" \
      -o Dir::State::status="$work/status" -o Dir::Cache="$work" -o Dir::Cache::archives="$work/archives" \
      -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root "$@" >>"$work/apt.log" 2>&1
  }
  sid update && cd debs && sid download apptainer libc6 libseccomp2 libsqlite3-0 squashfs-tools zlib1g liblzo2-2 liblz4-1 liblzma5 libzstd1 \
    squashfuse libsquashfuse0 libfuse3-4 patchelf libstdc++6 libgcc-s1 || {
    tail -n 3 "$work/apt.log" >&2
    die 'the packages of apptainer could not be fetched'
  }
  for file in patchelf_*.deb libstdc*.deb libgcc*.deb libc6_*.deb; do dpkg -x "$file" "$work/p"; done
  # patchelf, too, is the unstable one; its own C library starts it.
  patchelf() { "$work/p/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --library-path "$work/p/usr/lib/x86_64-linux-gnu" "$work/p/usr/bin/patchelf" "$@"; }
  rm -f patchelf_*.deb libstdc*.deb libgcc*.deb
  for file in *.deb; do dpkg -x "$file" "$dest"; done
  rm -rf "${dest:?}/usr/share" "${dest:?}/usr/etc" "${dest:?}/usr/var"
  mv "$dest/etc" "$dest/usr/etc"
  mv "$dest/var" "$dest/usr/var"
  # The starter computes its prefix as usr/lib.
  for name in etc var bin; do ln -sfn "../$name" "$dest/usr/lib/$name"; done
  # RPATH, not RUNPATH: it must reach the libraries' own libraries.
  for file in bin/apptainer lib/x86_64-linux-gnu/apptainer/bin/starter bin/mksquashfs bin/unsquashfs bin/squashfuse_ll; do
    patchelf --set-interpreter "$lib/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$lib" "$dest/usr/$file"
  done
  # The three settings that a machine without CAP_SYS_RESOURCE and without systemd needs, and where its own programs are.
  sed -i 's/^root default capabilities = full/root default capabilities = no/; s/^systemd cgroups = yes/systemd cgroups = no/; s/^sessiondir max size = .*/sessiondir max size = 1024/; s|^\(# \)\{0,1\}binary path = .*|binary path = '"$dest"'/usr/bin:$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|' "$dest/usr/etc/apptainer/apptainer.conf"
  cd /
  rm -rf "$work"
  mkdir -p "$dest/bin"
  printf '#!/bin/sh\nexec %s/usr/bin/apptainer "$@"\n' "$dest" >"$dest/bin/apptainer"
  chmod 755 "$dest/bin/apptainer"
)

# make_images DIR: a SIF for each test image; SIF knows no USER, so `filled` runs as the caller.
make_images() (
  export APPTAINER_CACHEDIR="$1/.cache" APPTAINER_TMPDIR="$1/.tmp"
  mkdir -p "$1/.tmp" "$1/.cache"
  for name in busybox no-shell filled; do
    mkdir "$1/$name"
    tar -C "$1/$name" -xf "$tars/$name.tar"
    apptainer build "$1/$name.sif" "$1/$name" >"$1/build.log" 2>&1 || {
      tail -n 3 "$1/build.log" >&2
      die "apptainer could not build $name.sif"
    }
    rm -rf "${1:?}/$name"
  done
  rm -rf "$1/.tmp" "$1/.cache" "$1/build.log"
)

mkdir -p "$cache/apptainer"
exec 9>"$cache/apptainer/lock"
flock 9
if [ ! -f "$home/done" ]; then
  rm -rf "$home"
  mkdir -p "$home/sif"
  if have apptainer; then
    mkdir "$home/bin"
    ln -s "$(command -v apptainer)" "$home/bin/apptainer"
  else
    have apt-get && [ "$(id -u)" = 0 ] || die 'apptainer is absent'
    say 'making apptainer from the packages of Debian unstable'
    make_own "$home"
  fi
  PATH=$home/bin:$PATH
  make_images "$home/sif"
  [ "$(apptainer -q exec --containall --no-home --no-eval "$home/sif/busybox.sif" echo works)" = works ] || die 'apptainer does not run here'
  : >"$home/done"
fi
echo "$home"
