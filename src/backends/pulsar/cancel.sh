# How the executor of a cancelled job ends: asked, given the grace, forced. Called in the subshell that watches for the mark; stands before
# job-host.sh. It starts as few programs as it can: a cancel has to be quick on a busy worker, where each costs a second.

# The name of the container of the executor that runs.
container_now() {
  running=0
  while read -r word rest number; do [ "$word" != begin ] || running=$number; done <progress
  echo "$JOB-$running"
}

# The first process of a container as this machine numbers it. Fails where that cannot be said for certain: an engine on another machine, a
# Pulsar in a container.
first_process() { # CONTAINER
  set -- $($ENGINE inspect --type container --format '{{.Id}} {{.State.Pid}}' "$1" 2>/dev/null)
  [ $# -eq 2 ] || return 1
  while read -r line; do
    case $line in *"$1"*) echo "$2" && return 0 ;; esac
  done 2>/dev/null <"/proc/$2/cgroup"
  return 1
}

# The kernel keeps TERM from the first process of a pid namespace that has no handler for it: nobody needs to wait for such a one.
hears_term() { # PID
  while read -r key value; do
    case $key$value in SigCgt:*[4567cdef]???) return 0 ;; esac
  done 2>/dev/null <"/proc/$1/status"
  return 1
}

# Everything below a process, without those to SKIP and what is below them: by two programs, however many processes there are.
offspring() { # PID "SKIP..."
  set +f
  cat /proc/[0-9]*/status 2>/dev/null | awk -v root="$1" -v skip="$2" '
    /^State:/ { state = $2 }
    /^Pid:/ { pid = $2 }
    /^PPid:/ { if (state != "Z" && state != "X") parent[pid] = $2 }
    END {
      split(skip, pids, " ")
      for (number in pids) skipped[pids[number]] = 1
      do {
        grown = 0
        for (pid in parent)
          if (!(pid in found) && !(pid in skipped) && (parent[pid] == root || parent[pid] in found)) { found[pid] = 1; grown = 1 }
      } while (grown)
      for (pid in found) print pid
    }'
  set -f
}

# By the clock, not by turns: on a busy worker a turn takes long.
await_end() { # "SKIP..." TENTHS
  now
  until=$((${up%.*}${up#*.} + $2 * 10))
  while [ -n "$(offspring $$ "$1")" ]; do
    now
    [ "${up%.*}${up#*.}" -lt "$until" ] || return 0
    sleep 0.1
  done
}

end_cancelled() { # OWN_PID
  # The watch of the time is no program of the executor: it goes with the script.
  { read -r watching <watching; } 2>/dev/null || watching=
  set -- "$1 $watching"
  if [ -n "$STAGER" ] && stager_lives; then kill -TERM "$stager_pid"; fi 2>/dev/null
  container=
  [ -z "${ENGINE-}" ] || container=$(container_now)
  if [ -n "$container" ] && first=$(first_process "$container"); then
    # Rootless, with another user inside: only the engine may signal it.
    if hears_term "$first"; then
      kill -TERM "$first" 2>/dev/null || $ENGINE kill --signal TERM "$container" >/dev/null 2>&1
      await_end "$1" $((GRACE * 10))
    fi
    [ -z "$(offspring $$ "$1")" ] || kill -KILL "$first" 2>/dev/null || $ENGINE kill "$container" >/dev/null 2>&1
    # The engine's command sees the end of it by itself.
    await_end "$1" 20
  else
    [ -z "$container" ] || $ENGINE stop -t "$GRACE" "$container" >/dev/null 2>&1
    if ask $(offspring $$ "$1"); then await_end "$1" $((GRACE * 10)); fi
  fi
  kill -KILL $(offspring $$ "$1") 2>/dev/null
}
