# The job script, POSIX sh, the same for every job: what differs is in plan/plan.sh, which is assignments and functions whose
# every word went through quoteWord. Called as `sh SCRIPT WORKSPACE`; works in the workspace with relative names.
# The parts of the host (open_job, close_job, tell_result) and of the runtime (runtimes/*.sh) stand before this text in the same file.
#
# What it promises: a second start of one attempt exits at once (the `started` file); the cancel mark is looked at before every
# start; streams are opened only in streams/, which no container sees; files that an executor names are read and placed only
# while no container runs, and never through a link that the kernel follows; `result` appears whole, by rename, when nothing of the job runs any more.
# progress holds one line per event, UP being seconds since boot: WORD UP ARGUMENTS.
# It forks as little as it can: a task that runs `true` must not cost more than its runtime does.
# Every command whose failure would lose something is looked at; where none is, a comment says why.
set -uf
umask 022
cd "$1" || exit 70
watch=

# An `echo` would make line breaks of what an image says.
note() {
  now
  printf '%s\n' "$1 $up $2" >>progress
}

# By shell builtins alone: looked at after each executor. What did not fit has to be there still, else there is room again. A file of its own
# for each executor: a disk may be out of names and not of bytes.
has_room() {
  probe=probe.${index-}
  { printf '%16384d' 0 >"$probe"; } 2>/dev/null
  room=$?
  # Emptied also when it was cut; that it cannot even be made says the same again.
  { true >"$probe"; } 2>/dev/null
  return $room
}

# The reserve is room in which it can still be said how the job ended.
keep_reserve() { { printf '%16384d' 0 >reserve; } 2>/dev/null || { disk_is_full && return 1; }; }
# What was being written when the room ended is no whole line.
disk_is_full() {
  # This may fail: then the job ends without a result, which is tried again as well.
  { true >reserve && echo >>progress && note disk 0; } 2>/dev/null || :
}

# Why something of our own failed: the disk of the workspaces where it is full, else WORD. Before what was written by half is removed.
blame() { # WORD TEXT
  if ! has_room; then disk_is_full
  elif [ -e late ]; then note late "$2"
  else note "$1" "$2"; fi
  return 1
}

finish() { # WORD
  end_watch
  # Logins of the owner's. What it cannot remove, the gateway does.
  [ ! -e plan/config.json ] || rm -f plan/config.json || :
  true >reserve
  close_job "$1"
  now
  # Work of more than a minute is worth a sync: its result then counts even after a crash of the machine.
  if [ $((${up%.*} - first)) -ge 60 ] && { sync -f . 2>/dev/null || sync; }; then echo "synced $up 0" >>progress; fi
  # Without its last line there is no result, and the job counts as lost.
  echo "done $up $1" >>progress && mv progress result || exit 70
  tell_result
  exit 0
}

# `sleep` is killed with the subshell: `$!` is set before the trap can see anything else. By KILL: a TERM that comes before the new
# process has let go of the trap it inherits would be lost. Who cancels may end the `sleep` alone: then no time is over.
watch_time() { # SECONDS FILE_THAT_SAYS_SO [MORE_SECONDS_ONCE_BEGUN]
  end_watch
  (
    trap 'kill -KILL $! 2>/dev/null; exit 0' TERM
    sleep "$1" &
    wait $! || exit 0
    if [ $# -lt 3 ]; then true >"$2"
    elif has_begun; then
      sleep "$3" &
      wait $! || exit 0
      true >"$2"
    else true >late; fi
    trap kill_launched EXIT
    end_executor "$(exec sh -c 'echo $PPID')"
    trap - EXIT
  ) &
  watch=$! watched=$2
  echo "$watch" >watching
}

# Where a program has left the machine no process to be started, a shell ends with the first that it tries: then by builtins alone. What runs in
# the container of the runtime's own process ends with it, or when its engine is asked.
kill_launched() { ! launched_lives || kill -KILL "$launched"; }

# A watch whose time is over is waited for: it would end whatever comes next.
end_watch() {
  [ -n "$watch" ] || return 0
  # It may have ended by itself; its number is kept from others until it was waited for.
  kill -TERM "$watch" 2>/dev/null
  if [ -e "$watched" ] || [ -e late ]; then wait "$watch"; fi
  watch=
}

# What the system does for an executor, which is no time of the program's.
watch_fetch() { watch_time "$FETCH_LIMIT" late; }
watch_copy() { [ -n "$watch" ] || watch_time "$COPY_LIMIT" late; }

# The time limit counts what the programs take, all executors together. Hundredths of a second.
clock() {
  now
  ticks=$((${up%.*} * 100 + 1${up#*.} - 100))
}
watch_program() {
  clock
  begun=$ticks
  [ "$remaining" -gt 10 ] || remaining=10
  more=$((remaining - FETCH_LIMIT * 100))
  # An engine that hangs before it starts the program would be waited for as long as the program may take.
  if [ "$more" -gt 0 ]; then watch_time "$FETCH_LIMIT" timeout "$((more / 100)).$((more / 10 % 10))"
  else watch_time "$((remaining / 100)).$((remaining / 10 % 10))" timeout; fi
}
program_ended() {
  end_watch
  clock
  remaining=$((remaining - ticks + begun))
}

# Goes down from a tree, making what is missing. Leaves the path in `found`. 1: a link or a file is in the way; 2: it could not be made.
directory() { # TREE SEGMENT...
  found=$1
  shift
  for segment; do
    found=$found/$segment
    if [ -L "$found" ]; then return 1; fi
    if [ ! -d "$found" ]; then
      if [ -e "$found" ]; then return 1; fi
      mkdir -m 777 "$found" 2>/dev/null || return 2
    fi
  done
}

# Where a path of the container leads. Links are followed in its words and to what the task put there, none by the kernel. `tree_of` is the plan's.
resolve() { # PATH
  rest=$1 at='' links=0
  while [ -n "$rest" ]; do
    segment=${rest%%/*} found=''
    case $rest in */*) rest=${rest#*/} ;; *) rest='' ;; esac
    case $segment in
      '' | .) continue ;;
      ..) at=${at%/*} && continue ;;
    esac
    at=$at/$segment
    tree_of "$at" || return 1
    # A directory that is there for mount points alone.
    [ -n "$tree" ] || continue
    found=$tree${at#"$mounted"}
    if [ -L "$found" ]; then
      links=$((links + 1))
      target=$(readlink -n -- "$found" && echo .) || return 1
      rest=${target%.}/$rest
      # No more than the kernel follows.
      [ "$links" -le 40 ] && [ "${#rest}" -le 8192 ] || return 1
      case $target in /*) at='' ;; *) at=${at%/*} ;; esac
    elif [ -n "$rest" ] && [ ! -d "$found" ]; then return 1; fi
  done
  [ -n "$found" ]
}

# A copy of the stdin file in a place that is never mounted.
take_stdin() { # INDEX PATH
  number=$1
  if ! resolve "$2" || [ -L "$found" ] || [ ! -f "$found" ]; then note stdin "$number"; return 1; fi
  stdin=streams/$number.stdin
  cp "$found" "$stdin" || blame files "$number"
}

# A stream at the place that the executor names. What is there is replaced, not written through, and in one step: no half file ever stands
# there. Nobody changes what the last executor leaves, so that its streams need no second copy. LAST is set by the loop below.
place() { # STREAM NAME TREE SEGMENT...
  stream=$1
  name=$2
  shift 2
  directory "$@"
  case $? in
    0) ;;
    1) note unplaced "$stream"; return 0 ;;
    *) blame place "$stream"; return 1 ;;
  esac
  if [ ! -L "$found/$name" ] && [ -d "$found/$name" ]; then note unplaced "$stream"; return 0; fi
  # Not every file system has hard links.
  if [ -n "$last" ] && ln -fT "$stream" "$found/$name" 2>/dev/null; then return 0; fi
  cp "$stream" placing && mv -fT placing "$found/$name" && return
  blame place "$stream"
  # Only to make room.
  rm -f placing
  return 1
}

make_workdir() { # INDEX TREE SEGMENT...
  number=$1
  shift
  directory "$@"
  case $? in
    0) ;;
    1) note workdir "$number" && return 1 ;;
    *) blame files "$number" ;;
  esac
}

# Whatever still runs of an executor would write into what counts as whole, or put a link in the way of what is done here next. Its groups say
# who that is; else the runtime's part says who it may be, or fails where it cannot. They have been killed, but where much runs the kernel takes seconds.
who_stays() {
  grouped "$JOB" || return 1
  if [ -z "$lists" ]; then left_behind
  elif [ -n "$members" ]; then offspring members "$members" ''; fi
}
await_left() {
  turns=0
  until staying=$(who_stays) && [ -z "$staying" ]; do
    # One that is on its way out cannot be killed again, and need not be.
    signal KILL "$staying"
    turns=$((turns + 1))
    [ "$turns" -lt 6000 ] || return 1
    sleep 0.05
  done
}

# Starts an executor and waits for it and its streams. Leaves its code in `code`; `unwritten` says that not all it wrote is there, `lingering`
# that it could not be ended. A code above 128 may also be one that the runtime ended with: only of what a signal has ended the shell says so itself,
# in `signalled`.
run_executor() { # INDEX
  code=1
  out=streams/$1.stdout err=streams/$1.stderr readers= unwritten= lingering=
  { true >"$out" && true >"$err"; } 2>/dev/null || { unwritten=1 && return; }
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
  {
    (
      read -r launched line </proc/self/stat
      echo "$launched" >launched
      "launch_$1"
    ) <"$stdin" >&5 2>&6 5>&- 6>&-
    code=$?
  } 2>signalled || unwritten=1
  exec 5>&- 6>&-
  program_ended
  if may_leave "$1" "$code"; then await_left || lingering=1; fi
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
# keep it from ending: a reader that has nothing to read for two seconds has read all that the executor wrote. `wait` alone would have no limit,
# nor would a disk that takes nothing: after a minute what it has not taken counts as not written.
awaits_pipe() { # PID
  where=
  # Its name has no line end; where the kernel does not tell it, whoever sleeps waits for the pipe.
  { read -r where <"/proc/$1/wchan"; } 2>/dev/null
  case $where in '' | 0 | *pipe*) ;; *) return 1 ;; esac
}
await_reader() { # PID
  turns=0 waited=0 idle=
  while { read -r line <"/proc/$1/stat"; } 2>/dev/null; do
    case ${line##*) } in
      Z*) break ;;
      S*)
        # Seen once, it may just have been woken, which looks the same: all the time or not at all.
        if awaits_pipe "$1"; then waited=$((waited + 1)); else waited=0; fi
        if [ "$waited" -ge 220 ]; then idle=1 && kill -KILL "$1"
        elif [ "$turns" -ge 6000 ]; then kill -KILL "$1"
        fi
        ;;
      *) waited=0 ;;
    esac
    turns=$((turns + 1))
    [ "$turns" -lt 20 ] || sleep 0.01
  done
  wait "$1" || [ -n "$idle" ] || unwritten=1
}

# As a process the kernel lets one join only after a grace period of all CPUs (10 ms and more), as a thread, in version 1, at once: this
# shell has one thread.
join_cgroups() {
  for group in $cgroups; do
    if [ -e "$group/tasks" ]; then echo 0 >"$group/tasks" || return 1
    else echo 0 >"$group/cgroup.procs" || return 1; fi
  done
}

read -r boot </proc/sys/kernel/random/boot_id
read -r line </proc/$$/stat
now
first=${up%.*}
# shellcheck disable=SC2086
set -- ${line##*) }
# Without overwriting: of two starts one makes the file. `ln` would do too, for the price of a process.
set -C
{ echo "$$ ${20} $boot" >started; } 2>/dev/null || exit 0
set +C

. ./plan/plan.sh
keep_reserve || finish prepare
open_job || { has_room || disk_is_full; finish prepare; }

index=0
word=succeeded
remaining=$((LIMIT * 100))
while [ "$index" -lt "$EXECUTORS" ]; do
  [ ! -e "$MARK" ] || finish cancelled
  stdin=/dev/null cgroups=
  before_executor "$index" && "before_$index" && ready_executor "$index" || finish prepare
  end_watch
  [ ! -e "$MARK" ] || finish cancelled
  watch_program
  note begin "$index"
  run_executor "$index"
  # Looked at while everything that was written is there still: a program that found no room, and did not say so, has left less than it made.
  full=
  has_room || full=1
  [ -z "$lingering" ] || blame lingering "$index" || finish broken
  [ -z "$unwritten" ] || blame stream "$index" || finish broken
  after_executor "$index" "$code" || {
    [ -z "$full" ] || disk_is_full
    note broken "$index $code"
    finish broken
  }
  end_watch
  if [ -e timeout ]; then word=timeout
  elif [ "$code" -ne 0 ] && ! "ignored_$index"; then word=failed; fi
  last=
  if [ "$word" != succeeded ] || [ $((index + 1)) -eq "$EXECUTORS" ]; then last=1; fi
  placed=1
  # Of what was cancelled nothing is stored, and something of it may still run.
  [ -e "$MARK" ] || "after_$index" || placed=
  note end "$index $code"
  [ -n "$placed" ] || finish broken
  [ -z "$full" ] || { disk_is_full && finish broken; }
  [ "$word" = succeeded ] || break
  index=$((index + 1))
done
finish "$word"
