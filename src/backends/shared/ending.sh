# How an executor is ended before its time, by its limit or a cancel: asked, given the grace, forced. Stands before the other parts of the job
# script. However many processes there are, it costs a few passes over /proc; and it starts as few programs as it can: a cancel has to be
# quick on a busy machine, where each costs a second. Needs processes.sh.

# Whose executors these are: the job script itself, unless somebody beside it says another.
script=$$

now() { read -r up rest </proc/uptime; }

# TERM to the programs of an executor; false when none has begun, for which nobody needs to wait: the runtimes' own processes lose it then, or end
# with a code of their own.
ask() { # "SKIP..."
  programs=$(offspring programs "$script" "$1")
  [ -n "$programs" ] || return 1
  signal TERM "$programs"
}

# By the clock, not by turns: on a busy machine a turn takes long.
await_end() { # "SKIP..." TENTHS
  now
  until=$((${up%.*}${up#*.} + $2 * 10))
  for child in $(offspring children "$script" "$1"); do
    while [ -e "/proc/${child%:*}" ]; do
      now
      [ "${up%.*}${up#*.}" -lt "$until" ] || return 0
      sleep 0.1
    done
  done
}

# The first process of a process namespace is among them, with which the kernel ends what was forked meanwhile.
force() { # "SKIP..."
  signal KILL "$(offspring all "$script" "$1")"
}

# The name of the container of the executor that runs.
container_now() {
  running=0
  while read -r word rest number; do [ "$word" != begin ] || running=$number; done <progress
  echo "$JOB-$running"
}

# The first process of a container as this machine numbers it. Fails where that cannot be said for certain: an engine on another machine, or
# a job that was started from within a container.
first_process() { # CONTAINER
  # shellcheck disable=SC2046
  set -- $(engine inspect --type container --format '{{.Id}} {{.State.Pid}}' "$1" 2>/dev/null)
  [ $# -eq 2 ] || return 1
  while read -r line; do
    case $line in *"$1"*) echo "$2" && return 0 ;; esac
  done 2>/dev/null <"/proc/$2/cgroup"
  return 1
}

# The kernel keeps TERM from the first process of a pid namespace that has no handler for it: nobody needs to wait for such a one. An init has
# none either, and fetches the signal; engines mount it under names of their own.
hears_term() { # PID
  { read -r program <"/proc/$1/comm"; } 2>/dev/null
  case ${program-} in docker-init | podman-init | init) return 0 ;; esac
  while read -r key value; do
    case $key$value in SigCgt:*[4567cdef]???) return 0 ;; esac
  done 2>/dev/null <"/proc/$1/status"
  return 1
}

# Called in a watching subshell, or in the workspace by somebody beside it. The watches themselves are no programs of the executor, nor are the
# readers of its streams: they go with the script, these when they have read all.
end_executor() { # OWN_PID
  watching= readers=
  { read -r watching <watching; } 2>/dev/null
  { read -r readers <readers; } 2>/dev/null
  set -- "$1 ${watcher-} $watching $readers"
  container=
  [ -z "${ENGINE-}" ] || container=$(container_now)
  if [ -n "$container" ] && leader=$(first_process "$container"); then
    # Rootless, with another user inside: only the engine may signal it.
    if hears_term "$leader"; then
      kill -TERM "$leader" 2>/dev/null || engine kill --signal TERM "$container" >/dev/null 2>&1
      await_end "$1" $((GRACE * 10))
    fi
    [ -z "$(offspring children "$script" "$1")" ] || kill -KILL "$leader" 2>/dev/null || engine kill "$container" >/dev/null 2>&1
    # The engine's command sees the end of it by itself.
    await_end "$1" 50
  else
    # One that has not begun yet, or has just ended, cannot be stopped: its command is asked.
    [ -z "$container" ] || engine stop -t "$GRACE" "$container" >/dev/null 2>&1
    if ask "$1"; then await_end "$1" $((GRACE * 10)); fi
  fi
  force "$1"
}
