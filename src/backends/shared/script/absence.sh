# What the job script and whoever stands beside it (the errands; the gateway on its own machine) know: whether a process lives, which processes
# and containers are a job's, and how to end them. ENGINE is the engine's command or unset, WATCHER the program that it leaves beside each
# container, or unset. Needs processes.sh, Linux, grep -z and awk.

# Exactly this process, not a later one with its number; one that has ended and waits for its parent has gone. Its environment would not tell:
# that of a process which is just becoming another program is empty.
lives() { # PID TICKS
  wanted=$2
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086
  set -- ${line##*) }
  [ "${20-}" = "$wanted" ] && [ "$1" != Z ] && [ "$1" != X ]
}

# The process that claimed the attempt, by its number, start and boot. Leaves them in `script` and `ticks`.
script_lives() { # WORKSPACE
  { read -r script ticks boot <"$1/started"; } 2>/dev/null && read -r here </proc/sys/kernel/random/boot_id \
    && [ "$boot" = "$here" ] && lives "$script" "$ticks"
}

# Asks a job to end, from beside its script, and forces its executor after the grace; the script then has two seconds to write down how that
# ended. It starts no other, for the mark is there. What a script that is dead has left is not asked: end_job ends it. Needs ending.sh.
ask_job() { # JOB WORKSPACE
  JOB=$1
  cd "$2" 2>/dev/null && script_lives . || return 0
  end_executor ''
  turns=0
  while [ "$turns" -lt 40 ] && script_lives .; do
    sleep 0.05
    turns=$((turns + 1))
  done
}

# The job's name in the environment, its watchers (conmon carries no variable of ours), its groups, and everything below those;
# without the shell that asks and what lies below that: by then these are only its own short-lived commands. Fails where not all were looked at.
# Where there is none of them there is nothing below them either. With anything for SOON it is those of the groups alone, where it has groups.
members_of() { # JOB [SOON]
  grouped "$1" || return 1
  if [ -n "${2-}" ] && [ -n "$lists" ]; then
    [ -z "$members" ] || offspring members "$members" $$
    return
  fi
  holding environ -lsxzF "TES_GATEWAY_JOB=$1" || return 1
  read -r own rest </proc/self/stat
  marked=
  for file in $found; do
    case $file in /proc/self/* | /proc/$$/* | /proc/$own/*) ;; *) marked="$marked $file" ;; esac
  done
  if [ -n "${WATCHER-}" ]; then
    holding cmdline -lsazF "$1-" || return 1
    for file in $found; do
      program=
      { read -r program <"${file%cmdline}comm"; } 2>/dev/null
      [ "$program" != "$WATCHER" ] || marked="$marked $file"
    done
  fi
  [ -z "$marked$members" ] || offspring members "$marked $members" $$
}

# Ends everything of a job; fails when that cannot be confirmed by so many empty listings in a row: processes first, then containers.
# Two are needed where somebody else may just be starting something; of what can leave no group only the last is one of all processes.
end_job() { # JOB LISTINGS
  empty=0 tries=0 mute=0
  while [ "$empty" -lt "$2" ]; do
    [ "$tries" -lt 150 ] || return 1
    tries=$((tries + 1)) known=1 containers= soon=
    [ $((empty + 1)) -ge "$2" ] || soon=1
    members=$(members_of "$1" "$soon") || known=
    signal KILL "$members"
    if [ -n "${ENGINE-}" ]; then
      containers=$(engine ps -a -q --filter "label=tes-gateway.job=$1" 2>/dev/null) || known=
      # shellcheck disable=SC2086
      [ -z "$containers" ] || engine rm -f -v $containers >/dev/null 2>&1
    fi
    # Of an engine that is away, or of processes where none can be started to list them, nothing is known, however often it is asked.
    if [ -n "$known" ]; then mute=0; else mute=$((mute + 1)); fi
    [ "$mute" -lt 20 ] || return 1
    if [ -z "$members$containers" ] && [ -n "$known" ]; then empty=$((empty + 1)); else empty=0 && sleep 0.1; fi
  done
}

# A group goes once it is empty; an engine has made some below ours, in every hierarchy, and plain directories where it takes one for mounted.
remove_groups() { # JOB
  tries=0
  while [ "$tries" -lt 40 ]; do
    set +f
    groups=
    for group in /sys/fs/cgroup/*/tes-gateway*/"$1" /sys/fs/cgroup/tes-gateway*/"$1"; do
      [ -d "$group" ] || continue
      if [ -e "$group/cgroup.procs" ]; then groups="$groups $group"; else rm -rf "$group"; fi
    done
    set -f
    [ -n "$groups" ] || return 0
    # shellcheck disable=SC2086
    find $groups -depth -type d -exec rmdir {} + 2>/dev/null
    [ "$tries" -eq 0 ] || sleep 0.05
    tries=$((tries + 1))
  done
}
