# What a machine is and has, and what ending a job would lack there (absence.sh). Lines of WORD TEXT. Needs processes.sh, groups.sh, overlay.sh;
# ENGINE is the engine's command or unset.
probe_machine() { # GROUP LAYERED LIMITS_FORMAT INIT_FORMAT MANAGER_FORMAT INITS VERSION_COMMAND...
  printf 'a\0' | grep -qxzF a 2>/dev/null || echo 'lacks grep with -z'
  awk 'BEGIN { exit 0 }' 2>/dev/null || echo 'lacks awk'
  echo "uid $(id -u)"
  echo "cores $(getconf _NPROCESSORS_ONLN)"
  while read -r key count rest; do [ "$key" != MemTotal: ] || echo "memory $count"; done </proc/meminfo
  echo "groups $(try_groups "$1" /sys/fs/cgroup)"
  [ ! -e /sys/fs/selinux/enforce ] || echo 'selinux yes'
  layered=$2 limits=$3 own_init=$4 manager=$5
  for init in $6; do [ ! -x "$init" ] || { echo "init $init" && break; }; done
  shift 6
  if version=$(timeout -k 2 60 "$@" 2>&1); then echo "runtime ${version##* }"; else
    echo "fault $version" | tr '\n' ' '
    echo
    return
  fi
  says limits "$limits"
  says init "$own_init"
  says manager "$manager"
  [ -z "$layered" ] || echo "overlay $(try_overlay)"
}

# What the engine says of itself.
says() { # WORD FORMAT
  [ -z "$2" ] || { said=$(engine info --format "$2" 2>/dev/null) && echo "$1 $said"; }
}
