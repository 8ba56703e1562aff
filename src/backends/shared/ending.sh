# How an executor is ended before its time, by its limit or a cancel: asked, given the grace, forced. Stands before the other parts of the job
# script. It looks at what is below the script alone, where the kernel lets it; and it starts as few programs as it can: a cancel has to be
# quick on a busy machine, where each costs a second. Needs processes.sh.

# Whose executors these are: the job script itself, unless somebody beside it says another.
script=$$

now() { read -r up rest </proc/uptime; }

# Leaves in `executor` what can be asked to end, as PID:PARENT, and in `waited` the script's own children, who are waited for.
look_at_executor() { # "SKIP..."
  executor=$(offspring executor "$script" "$1") waited=
  for each in $executor; do
    case $each in *:*) ;; *) waited="$waited $each" ;; esac
  done
}

# False when it takes longer. By the clock, not by turns: on a busy machine a turn takes long.
await_end() { # TENTHS
  now
  until=$((${up%.*}${up#*.} + $1 * 10)) nap=0.02
  for child in $waited; do
    while [ -e "/proc/$child" ]; do
      now
      [ "${up%.*}${up#*.}" -lt "$until" ] || return 1
      sleep "$nap"
      nap=0.1
    done
  done
}

# The runtime's own process is a child of the script until it was waited for. By builtins alone. Leaves it in `launched`.
launched_lives() {
  launched=
  { read -r launched <launched && read -r line <"/proc/$launched/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086
  set -- ${line##*) }
  [ "${2-}" = "$script" ] && [ "$1" != Z ]
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
  # It takes long to find that there are very many.
  descend "$script" || crowded=/
  container=
  [ -z "${ENGINE-}" ] || container=$(container_now)
  if [ -n "$container" ] && leader=$(first_process "$container"); then
    look_at_executor "$1"
    # Rootless, with another user inside: only the engine may signal it.
    if hears_term "$leader"; then
      kill -TERM "$leader" 2>/dev/null || engine kill --signal TERM "$container" >/dev/null 2>&1
      await_end $((GRACE * 10)) || :
    fi
    await_end 0 || kill -KILL "$leader" 2>/dev/null || engine kill "$container" >/dev/null 2>&1
    # The engine's command sees the end of it by itself.
    await_end 50 || :
  else
    # One that has not begun yet, or has just ended, cannot be stopped: its command is asked.
    [ -z "$container" ] || engine stop -t "$GRACE" "$container" >/dev/null 2>&1
    look_at_executor "$1"
    # While none has begun nobody needs to wait: the runtimes' own processes lose TERM then, or end with a code of their own.
    case $executor in *:*)
      signal TERM "$executor"
      await_end $((GRACE * 10)) || :
      ;;
    esac
  fi
  # What the script does once they have ended must not be ended, too. The kernel's lists may leave one out while others end.
  if [ -z "$waited" ] || ! await_end 0 || launched_lives; then force "$1"; fi
}
