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

# Starts an executor and waits for it and its streams. Leaves its code in `code`; `unwritten` says that not all it wrote is there.
run_executor() { # INDEX
  out=streams/$1.stdout err=streams/$1.stderr readers= unwritten=
  { true >"$out" >"$err"; } 2>/dev/null || { unwritten=1 && return; }
  if [ "$PIPED" = 0 ]; then
    exec 5>"$out" 6>"$err"
  else
    pipe_to "$out" || { unwritten=1 && return; }
    exec 5>&9 9>&-
    if ! "merged_$1"; then
      pipe_to "$err" || { unwritten=1 && return; }
      exec 6>&9 9>&-
    fi
    echo "$readers" >readers
  fi
  if "merged_$1"; then exec 6>&5; fi
  ("launch_$1") <"$stdin" >&5 2>&6 5>&- 6>&-
  code=$?
  exec 5>&- 6>&-
  for reader in $readers; do await_reader "$reader"; done
}

# A program whose stream is a file cuts it short when it opens /dev/stderr anew, as scripts do. Through a pipe each line is added. Leaves the end to
# write to as descriptor 9. A here-document of most shells is a pipe, which costs no process; of the others it is a file.
pipe_to() { # FILE
  exec 8<<X
X
  if [ -p /proc/self/fd/8 ]; then
    exec 9>/proc/self/fd/8
  else
    mkfifo -m 600 "$1.pipe" || return 1
    # Opened both ways first: an end alone would wait for the other.
    exec 7<>"$1.pipe"
    exec 8<"$1.pipe" 9>"$1.pipe" 7>&-
  fi
  cat <&8 >>"$1" 5>&- 8<&- 9>&- &
  readers="$readers $!"
  exec 8<&-
}

# A reader ends when nobody can write any more, which is a moment after the executor. Whoever has been handed the pipe by an executor must not
# keep it from ending: a reader that has nothing to do for two seconds has read all that the executor wrote. `wait` alone would have no limit.
await_reader() { # PID
  turns=0 idle=
  while { read -r line <"/proc/$1/stat"; } 2>/dev/null; do
    case ${line##*) } in
      Z*) break ;;
      S*) [ "$turns" -lt 220 ] || { idle=1 && kill -KILL "$1"; } ;;
    esac
    turns=$((turns + 1))
    [ "$turns" -lt 20 ] || sleep 0.01
  done
  wait "$1" || [ -n "$idle" ] || unwritten=1
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
  run_executor "$index"
  if [ -n "$unwritten" ]; then
    note disk "$index"
    finish prepare
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
