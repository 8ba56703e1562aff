# The part of the job script for a host where no gateway is: it lays the inputs, makes the limits, watches for the cancel mark, tells
# how far the job is (`report`, whole, by rename), and leaves a listing of the trees. Where the data is moved from here (STAGER), the stager lays
# the inputs and stores the outputs (see shared/stager-plan.ts). Stands after absence.sh and before the runtime's part.
watcher=
failed=

open_job() {
  mkdir -p streams tails && chmod 700 . || return 1
  now
  note clock "$up $(date +%s.%N)"
  tell live
  watch_job
  # A report needs more room than a line of progress.
  head -c 262144 /dev/zero >>reserve 2>/dev/null || { disk_is_full; return 1; }
  make_groups || return 1
  if [ -n "$STAGER" ]; then stage_in; else lay_inputs; fi
}

close_job() { # WORD
  case $1 in succeeded | failed | timeout) [ -z "$STAGER" ] || stage_out ;; esac
  if [ -n "$watcher" ]; then
    kill -KILL "$watcher"
    wait "$watcher"
  fi 2>/dev/null
  remove_containers
  end_job "$JOB" 1 || note left 0
  count_breaches
  remove_groups "$JOB"
  [ -n "$STAGER" ] || list_trees || note unlisted 0
}

tell_result() { tell final; }

# By their names, which saves finding them first; what this misses, the listing afterwards finds.
remove_containers() {
  [ -n "${ENGINE-}" ] || return 0
  number=0 names=
  while [ "$number" -lt "$EXECUTORS" ] && [ "$number" -le "${index:-0}" ]; do
    names="$names $JOB-$number"
    number=$((number + 1))
  done
  # shellcheck disable=SC2086
  $ENGINE rm -f -v $names >/dev/null 2>&1
}

make_groups() {
  [ -n "$LIMIT_GROUPS" ] || return 0
  # shellcheck disable=SC2086
  mkdir -p $LIMIT_GROUPS && limit_groups && return
  note groups 0
  return 1
}

# Inputs were sent as numbered files; here they are checked and moved to their places.
lay_inputs() {
  rm -rf trees && mkdir trees && make_trees || return 1
  [ -e inputs.sh ] || return 0
  if [ -s inputs.sums ] && ! sha256sum --status -c inputs.sums; then
    note input 0
    return 1
  fi
  # Whatever the image runs as may read and change what was staged.
  [ ! -d inputs ] || chmod -R a+rw inputs || return 1
  . ./inputs.sh
  rm -rf inputs
  [ -z "$failed" ]
}
# Stands before the `put` of a large file, which is not in inputs.sums.
check_large() { # FILE SUM
  [ "$(sh -c "$SUM_LARGE" sh "$1" | tr -d '\000')" = "$2  $1" ] && return
  note input 0
  failed=1
}
# Stands before all `put`s, with lines TIME FILE. A process of `touch` for each of a few; of many one of Python, where it is.
# Where a time cannot be kept it is now, and no harm is done.
set_times() { # COUNT
  if [ "$1" -gt 8 ] && python3 -c '
import os, sys
for line in sys.stdin:
    time, name = line.split()
    os.utime(name, (float(time), float(time)))' 2>/dev/null; then return 0; fi
  while read -r time name; do touch -d "@$time" "$name" 2>/dev/null; done || :
}
put() { # FILE MODE NAME TREE SEGMENT...
  file=$1
  mode=$2
  name=$3
  shift 3
  # Never into a directory that has the name.
  if directory "$@" && mv -fT "$file" "$found/$name"; then
    [ "$mode" = 666 ] || chmod "$mode" "$found/$name" || failed=1
  else
    failed=1
  fi
}
put_directory() { # TREE SEGMENT...
  directory "$@" || failed=1
}
put_link() { # TARGET NAME TREE SEGMENT...
  target=$1
  name=$2
  shift 2
  directory "$@" && ln -sT -- "$target" "$found/$name" || failed=1
}

# The stager is no child of this script: what ends the executors at their time limit must not end it. Its plan may hold credentials: no
# executor starts while it is there.
stage_in() {
  note stager 0
  rm -rf trees inputs && mkdir -p stager || return 1
  (
    # shellcheck disable=SC3045
    ulimit -c 0
    run_stager </dev/null >/dev/null 2>stager/log &
    read -r line <"/proc/$!/stat"
    # shellcheck disable=SC2086
    set -- ${line##*) }
    echo "$! ${20}" >stager/pid
  )
  await_stager in
  code=$?
  rm -f plan/stager.json || return 1
  [ ! -e plan/stager.json ] && [ "$code" -eq 0 ] && [ -d trees ]
}

# What could not be stored is said by the stager, or by its silence.
stage_out() {
  [ ! -e "$MARK" ] || return 0
  # What stays closed to the stager is what it then says.
  [ "$(id -u)" = 0 ] || chmod -R u+rwX trees 2>/dev/null
  true >stager/ask
  await_stager out
}

stager_lives() { { read -r stager_pid stager_ticks <stager/pid; } 2>/dev/null && lives "$stager_pid" "$stager_ticks"; }

await_stager() { # WORD
  beats=0
  until [ -e "stager/$1" ]; do
    [ ! -e stager/failed ] || return 1
    if ! stager_lives; then
      [ -e "stager/$1" ]
      return
    fi
    if [ "$beats" -lt 50 ]; then sleep 0.1; else sleep 0.25; fi
    beats=$((beats + 1))
  done
}

# Kind, mode, size and time, path, link target of everything in the trees, and the sums of what may be an output; each ended by NUL. The last
# word of both shows that they came whole.
list_trees() {
  [ -d trees ] || return 0
  # Of what stays closed the listing or a sum is not whole.
  [ "$(id -u)" = 0 ] || chmod -R u+rwX trees 2>/dev/null
  { sum_outputs; printf 'whole\0'; } >sums 2>/dev/null
  # What find could not see would seem not to be there: then it is not whole.
  (cd trees && find . -mindepth 1 -printf '%y\0%m\0%s %T@\0%P\0%l\0' && printf 'whole\0') >listing
}

# The end of a stream goes to stdout, its name, length in all and length here to `sizes`.
end_of() { # STREAM
  [ -s "streams/$1" ] || return 0
  total=$(($(wc -c <"streams/$1")))
  from=0
  [ "$total" -le "$TAIL" ] || from=$((total - TAIL))
  tail -c "+$((from + 1))" "streams/$1" | head -c $((total - from))
  sizes="$sizes$1 $total $((total - from))
"
}
ends_of() { # INDEX AS
  sizes=
  { end_of "$1.stdout" && end_of "$1.stderr" && end_of "$1.engine"; } >"tails/$2.bytes"
  printf %s "$sizes" >"tails/$2.new"
  mv "tails/$2.new" "tails/$2.sizes"
}

# As sha256sum -z says it. openssl, where it is, takes a quarter of the time that the sha256sum of most systems does, which is worth a process
# for each large file.
SUM_LARGE='for file; do
  sum=$(openssl dgst -sha256 -r <"$file" 2>/dev/null) || sum=$(sha256sum <"$file") || continue
  printf "%s  %s\000" "${sum%% *}" "$file"
done'
sum_files() { # PATH...
  find "$@" -type f \( -size -16384k -exec sha256sum -z {} + -o -exec sh -c "$SUM_LARGE" sh {} + \)
}

# What the stager said, whole; of its complaints the end.
stager_words() {
  for told in in out failed; do
    [ -s "stager/$told" ] || continue
    size=$(($(wc -c <"stager/$told")))
    stager_sizes="${stager_sizes}stager.$told $size $size
"
    stager_bytes="$stager_bytes stager/$told"
  done
  [ -s stager/log ] || return 0
  tail -c 400 stager/log >"tails/$1.log"
  size=$(($(wc -c <"tails/$1.log")))
  stager_sizes="${stager_sizes}stager.log $size $size
"
  stager_bytes="$stager_bytes tails/$1.log"
}

# The report: what was written in progress (or result), the sizes of the streams' ends, these ends. What ended keeps its end.
tell() { # AS
  source=progress
  [ ! -e result ] || source=result
  lines= ended=0
  while read -r line; do
    lines="$lines$line
"
    case $line in 'end '*) ended=$((ended + 1)) ;; esac
  done <"$source"
  index_told=0 kept_sizes= kept_bytes=
  while [ "$index_told" -lt "$ended" ]; do
    [ -e "tails/$index_told.sizes" ] || ends_of "$index_told" "$index_told"
    kept_sizes="$kept_sizes tails/$index_told.sizes"
    kept_bytes="$kept_bytes tails/$index_told.bytes"
    index_told=$((index_told + 1))
  done
  ends_of "$ended" "$1"
  stager_sizes= stager_bytes=
  [ -z "$STAGER" ] || stager_words "$1"
  now
  {
    printf '%s\n' "tes-report 1 $up $boot"
    printf %s "$lines"
    echo --
    # shellcheck disable=SC2086
    cat $kept_sizes "tails/$1.sizes"
    printf %s "$stager_sizes"
    echo --
    # shellcheck disable=SC2086
    cat $kept_bytes "tails/$1.bytes" $stager_bytes
  } >"report.$1"
  mv "report.$1" report
}

# Called in the subshell that watches for the mark.
end_cancelled() { # OWN_PID
  if [ -n "$STAGER" ] && stager_lives; then kill -TERM "$stager_pid"; fi 2>/dev/null
  end_executor "$1"
}

# Looks for the mark twice a second; tells every second at first, then every fifth. Ends with the script, however that ends.
watch_job() {
  (
    own=$(exec sh -c 'echo $PPID')
    beat=0
    while kill -0 $$ 2>/dev/null; do
      [ ! -e "$MARK" ] || end_cancelled "$own"
      if [ $((beat % 2)) -eq 0 ] && { [ "$beat" -lt 40 ] || [ $((beat % 10)) -eq 0 ]; }; then tell live; fi
      sleep 0.5
      beat=$((beat + 1))
    done
  ) &
  watcher=$!
}
