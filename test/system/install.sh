#!/bin/sh
# Installs what the engine tests need, on Debian or Ubuntu and as root; elsewhere it says what is absent and changes nothing.
# Quiet when everything is there. Daemons are not started.
#   install.sh [all | packages | apptainer | images | snakemake | clients | mongo | pulsar | s3 | ftp | compose | shellcheck]...      (no argument: all)
set -eu
. "$(dirname "$0")/common.sh"
trap 'rm -f "${policy_made:-}"' EXIT

packages='podman runc busybox-static bubblewrap docker.io mmdebstrap zstd python3-venv util-linux ca-certificates procps faketime libcurl4 iproute2 iptables rabbitmq-server'

apt() {
  mkdir -p "$cache/apt/partial"
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Dir::Cache::archives="$cache/apt" -o Dpkg::Use-Pty=0 "$@" >>"$cache/apt.log" 2>&1
}

install_packages() {
  missing=
  for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  # Without it apt would start system-wide daemons; the tests start their own, in their own directories.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    policy_made=/usr/sbin/policy-rc.d
  fi
  say "installing$missing"
  apt update || say 'apt-get update failed; going on with the lists at hand'
  # Archives were seen to vanish between download and dpkg when another apt runs, so a second try is made.
  # shellcheck disable=SC2086
  apt install -y --no-install-recommends $missing || apt install -y --no-install-recommends $missing ||
    die "apt-get could not install$missing; see $cache/apt.log"
}

mkdir -p "$cache"
if [ "$(id -u)" != 0 ] || ! have apt-get; then
  say 'not root on Debian or Ubuntu: using the engines that are here, installing none'
  # Needs neither.
  case "${*:-all}" in *all* | *shellcheck*) "$engines_dir/shellcheck/install.sh" >/dev/null ;; esac
  exit 0
fi

[ $# -gt 0 ] || set -- all
for part in "$@"; do
  case $part in
  all)
    install_packages
    "$engines_dir/images/build.sh" >/dev/null
    "$engines_dir/apptainer/build.sh" >/dev/null
    "$engines_dir/images/snakemake.sh" >/dev/null
    "$engines_dir/clients/install.sh" >/dev/null
    "$engines_dir/mongo/install.sh" >/dev/null
    "$engines_dir/compose/install.sh" >/dev/null
    "$engines_dir/shellcheck/install.sh" >/dev/null
    ! have go || "$engines_dir/versitygw/install.sh" >/dev/null
    "$engines_dir/pureftpd/install.sh" >/dev/null
    ;;
  packages) install_packages ;;
  images) install_packages && "$engines_dir/images/build.sh" >/dev/null ;;
  apptainer) install_packages && "$engines_dir/apptainer/build.sh" >/dev/null ;;
  snakemake) install_packages && "$engines_dir/images/snakemake.sh" >/dev/null ;;
  clients) install_packages && "$engines_dir/clients/install.sh" >/dev/null ;;
  mongo) install_packages && "$engines_dir/mongo/install.sh" >/dev/null ;;
  pulsar) install_packages && "$engines_dir/pulsar/install.sh" >/dev/null ;;
  s3) "$engines_dir/versitygw/install.sh" >/dev/null ;;
  ftp) "$engines_dir/pureftpd/install.sh" >/dev/null ;;
  shellcheck) "$engines_dir/shellcheck/install.sh" >/dev/null ;;
  compose) install_packages && "$engines_dir/compose/install.sh" >/dev/null ;;
  *) die "unknown part: $part" ;;
  esac
done
