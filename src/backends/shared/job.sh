# The job script, POSIX sh, the same for every job: what differs is in plan/plan.sh, which is assignments and functions whose
# every word went through quoteWord. Called as `sh SCRIPT WORKSPACE`; works in the workspace with relative names.
# The parts of the host (open_job, close_job, tell_result) and of the runtime (runtimes/*.sh) stand before this text in the same file.
#
# What it promises: a second start of one attempt exits at once (the `started` file); the cancel mark is looked at before every
# start; streams are opened only in streams/, which no container sees; files that an executor names are read and placed only
# while no container runs, and never through a link; `result` appears whole, by rename, when nothing of the job runs any more.
# progress holds one line per event, UP being seconds since boot: WORD UP ARGUMENTS.
# It forks as little as it can: a task that runs `true` must not cost more than its runtime does.
set -uf
umask 022
cd "$1" || exit 70
watch=

now() { read -r up rest </proc/uptime; }
note() {
  now
  echo "$1 $up $2" >>progress
}

finish() { # WORD
  [ -z "$watch" ] || kill "$watch" 2>/dev/null
  close_job "$1"
  now
  # Work of more than a minute is worth a sync: its result then counts even after a crash of the machine.
  if [ $((${up%.*} - first)) -ge 60 ]; then
    sync -f . 2>/dev/null || sync
    echo "synced $up 0" >>progress
  fi
  echo "done $up $1" >>progress
  mv progress result
  tell_result
  exit 0
}

# All processes below one, without the tree of another.
descendants() { # PID SKIP
  set +f
  for file in /proc/[0-9]*/stat; do
    { read -r line <"$file"; } 2>/dev/null || continue
    pid=${line%% *}
    line=${line##*) }
    line=${line#* }
    if [ "${line%% *}" = "$1" ] && [ "$pid" != "$2" ]; then
      echo "$pid"
      (descendants "$pid" "$2")
    fi
  done
  set -f
}

# TERM to the programs of an executor; false when none has begun, for which nobody needs to wait. bwrap and conmon never get it: the one takes
# its tree with it at once, the other reports how a container ended. apptainer's own processes hand it on to the program, for which a second TERM
# changes the exit code; where no program runs yet they lose it, or end with a code of their own.
ask() { # PID...
  programs=
  for pid; do
    program=
    { read -r program <"/proc/$pid/comm"; } 2>/dev/null
    case $program in
      bwrap | conmon | starter | starter-suid | appinit) ;;
      *) programs="$programs $pid" ;;
    esac
  done
  [ -n "$programs" ] || return 1
  kill -TERM $programs 2>/dev/null || :
}

# Called in a watching subshell: asks, waits, forces.
end_executor() { # OWN_PID
  stop_runtime
  left=0
  if ask $(descendants $$ "$1"); then left=$GRACE; fi
  while [ "$left" -gt 0 ] && [ -n "$(descendants $$ "$1")" ]; do
    sleep 1
    left=$((left - 1))
  done
  kill -KILL $(descendants $$ "$1") 2>/dev/null
}

# `sleep` is killed with the subshell: `$!` is set before the trap can see anything else. By KILL: a TERM that comes before the new
# process has let go of the trap it inherits would be lost. Who cancels may end the `sleep` alone: then no time is over.
watch_time() { # SECONDS
  [ -z "$watch" ] || kill "$watch" 2>/dev/null
  (
    trap 'kill -KILL $! 2>/dev/null; exit 0' TERM
    sleep "$1" &
    wait $! || exit 0
    : >timeout
    end_executor "$(exec sh -c 'echo $PPID')"
  ) &
  watch=$!
  echo "$watch" >watching
}

# Goes down from a tree, making what is missing; a link on the way is refused. Leaves the path in `found`.
directory() { # TREE SEGMENT...
  found=$1
  shift
  for segment; do
    found=$found/$segment
    if [ -L "$found" ]; then return 1; fi
    if [ ! -d "$found" ]; then mkdir -m 777 "$found" 2>/dev/null || return 1; fi
  done
}

# A copy of the stdin file in a place that is never mounted.
take_stdin() { # INDEX NAME TREE SEGMENT...
  number=$1
  name=$2
  shift 2
  found=$1
  shift
  for segment; do
    found=$found/$segment
    if [ -L "$found" ] || [ ! -d "$found" ]; then note stdin "$number"; return 1; fi
  done
  if [ -L "$found/$name" ] || [ ! -f "$found/$name" ]; then note stdin "$number"; return 1; fi
  stdin=streams/$number.stdin
  cp "$found/$name" "$stdin" || { note stdin "$number"; return 1; }
}

# A copy of a stream at the place that the executor names. What is there is replaced, not written through.
place() { # STREAM NAME TREE SEGMENT...
  stream=$1
  name=$2
  shift 2
  if directory "$@" && { [ -L "$found/$name" ] || [ ! -d "$found/$name" ]; }; then
    rm -f "$found/$name" && cp "$stream" "$found/$name" && return
  fi
  note unplaced "$stream"
}

make_workdir() { # INDEX TREE SEGMENT...
  number=$1
  shift
  directory "$@" || { note workdir "$number"; return 1; }
}

join_cgroups() {
  for group in $cgroups; do echo 0 >"$group/cgroup.procs" || return 1; done
}

read -r boot </proc/sys/kernel/random/boot_id
read -r line </proc/$$/stat
now
first=${up%.*}
set -- ${line##*) }
# Without overwriting: of two starts one makes the file. `ln` would do too, for the price of a process.
set -C
{ echo "$$ ${20} $boot" >started; } 2>/dev/null || exit 0
set +C

. ./plan/plan.sh
open_job || finish prepare

index=0
word=succeeded
while [ "$index" -lt "$EXECUTORS" ]; do
  [ ! -e "$MARK" ] || finish cancelled
  stdin=/dev/null cgroups=
  before_executor "$index" && "before_$index" && ready_executor "$index" || finish prepare
  [ ! -e "$MARK" ] || finish cancelled
  [ "$index" -gt 0 ] || watch_time "$LIMIT"
  note begin "$index"
  if "merged_$index"; then
    ("launch_$index") <"$stdin" >"streams/$index.stdout" 2>&1
    code=$?
    : >"streams/$index.stderr"
  else
    ("launch_$index") <"$stdin" >"streams/$index.stdout" 2>"streams/$index.stderr"
    code=$?
  fi
  after_executor "$index" "$code" || { note broken "$index $code"; finish broken; }
  "after_$index"
  note end "$index $code"
  [ ! -e timeout ] || finish timeout
  if [ "$code" -ne 0 ] && ! "ignored_$index"; then
    word=failed
    break
  fi
  index=$((index + 1))
done
finish "$word"
