# What the kernel says of some processes, or of each; of the shell itself last, which shows that all were looked at. What ends meanwhile is not
# there. Tens of thousands are too many for one command (126).
statuses() { # PID...
  if [ $# -eq 0 ]; then
    set +f
    set -- /proc/[0-9]*/status
    set -f
  else
    for each; do
      shift
      set -- "$@" "/proc/$each/status"
    done
  fi
  set -- "$@" "/proc/$$/status"
  cat "$@" 2>/dev/null || [ $? -ne 126 ] || printf '%s\n' "$@" | xargs cat 2>/dev/null
}

# Leaves in `children` whom the kernel calls a process's own, by builtins alone. Not every kernel says it; of a process that has gone none says anything.
children_of() { # PID
  children=
  set +f
  for file in /proc/"$1"/task/*/children; do
    some=
    # It has no line end, with which `read` would succeed.
    { read -r some <"$file"; } 2>/dev/null
    [ -z "$some" ] || children="$children $some"
  done
  set -f
}

# Leaves in `near` some processes and what is below them, so that nobody else needs to be looked at. Fails where the kernel does not say, and of
# very many, of whom one pass over all costs less.
descend() { # PID...
  near= levels=0
  [ -e "/proc/$$/task/$$/children" ] || return 1
  while [ $# -gt 0 ]; do
    [ $# -lt 300 ] && [ "$levels" -lt 60 ] || return 1
    near="$near $*" below=
    for each; do
      children_of "$each"
      below="$below$children"
    done
    # shellcheck disable=SC2086
    set -- $below
    levels=$((levels + 1))
  done
}

# Leaves in `members` who is in the groups of a job, which nobody leaves, and in `lists` where that is said: nowhere, where it has no group.
grouped() { # JOB
  members= lists=
  set +f
  for file in /sys/fs/cgroup/*/tes-gateway*/"$1"/cgroup.procs /sys/fs/cgroup/tes-gateway*/"$1"/cgroup.procs; do
    [ ! -e "$file" ] || lists="$lists $file"
  done
  set -f
  # shellcheck disable=SC2086
  [ -z "$lists" ] || members=$(cat $lists 2>/dev/null)
}

# Leaves in `found` which files NAME of /proc hold a word. Fails where not all were looked at: the last is the command line of grep itself,
# which holds it.
holding() { # NAME OPTIONS WORD
  options=$2 wanted=$3
  set +f
  set -- /proc/[0-9]*/"$1" /proc/self/cmdline
  set -f
  found=$(grep "$options" -e "$wanted" "$@" 2>/dev/null || [ $? -ne 126 ] || printf '%s\n' "$@" | xargs grep "$options" -e "$wanted")
  case $found in */proc/self/cmdline*) ;; *) return 1 ;; esac
}

# Live processes below some, as PID:PARENT, however many there are; without those to SKIP and what is below these. WHICH: all; members
# (with the ROOTS themselves); executor (what is no part of a runtime: bwrap takes its tree with it at once, conmon reports how a container
# ended, apptainer's own processes hand TERM on to the program, for which a second one changes the exit code; besides, as PID
# alone, the ROOTS' own children). Of SKIP only the numbers count. A ROOT is a number, or what `holding` found: that counts only of a process that is in no process
# namespace below this one, for in a container any program may bear any word. Below numbers alone the kernel's lists are followed, unless
# `crowded` says that it was in vain; else it is one pass over /proc. Fails where not all were looked at.
crowded=
offspring() { # WHICH "ROOT..." "SKIP..."
  # shellcheck disable=SC2086
  case $2$crowded in */*) near= ;; *) descend $2 || near= ;; esac
  # shellcheck disable=SC2086
  { printf '%s\n' $2; statuses $near; } | awk -v which="$1" -v skip="$3" -v self=$$ '
    BEGIN { for (count = split(skip, words, /[^0-9]+/); count > 0; count--) skipped[words[count]] = 1 }
    /^[0-9]+$/ { root[$0] = 1 }
    /^\/proc\/[0-9]/ { split($0, words, "/"); marked[words[3]] = 1 }
    /^Name:/ { runtime = $2 ~ /^(bwrap|conmon|starter|starter-suid|appinit)$/ }
    /^State:/ { live = $2 != "Z" && $2 != "X" }
    /^Pid:/ { pid = $2 }
    /^PPid:/ { above = $2; inner = 0 }
    /^NSpid:/ { inner = NF > 2 }
    # One whose first thread alone has ended lives.
    /^Threads:/ {
      if (live || $2 > 1) parent[pid] = above
      if ((pid in marked) && !inner) root[pid] = 1
      if (which != "executor" || !runtime) chosen[pid] = 1
    }
    # Up to what is known already, then down: 1 is a root, 2 below one.
    END {
      for (each in parent) {
        count = 0
        for (at = each; (at in parent) && !(at in kind); at = parent[at]) { kind[at] = 0; way[++count] = at }
        for (; count > 0; count--) {
          at = way[count]
          above = kind[parent[at]]
          kind[at] = (at in skipped) || above < 0 ? -1 : at in root ? 1 : above > 0 ? 2 : 0
        }
        if (kind[each] >= (which == "members" ? 1 : 2) && (each in chosen)) print each ":" parent[each]
        if (which == "executor" && kind[each] == 2 && (parent[each] in root)) print each
      }
      exit pid != self
    }'
}

# A signal to those that `offspring` has listed, if they have the parent that they had then: a number may be another's by now. All are looked at
# first: what loses its parent by the signal has another one.
signal() { # NAME "PID:PARENT..."
  targets=
  for each in $2; do
    parent=
    while read -r key parent; do [ "$key" != PPid: ] || break; done 2>/dev/null <"/proc/${each%:*}/status"
    [ "$parent" != "${each#*:}" ] || targets="$targets ${each%:*}"
  done
  # Some may have gone meanwhile.
  # shellcheck disable=SC2086
  [ -z "$targets" ] || kill -"$1" $targets 2>/dev/null || :
}

# An engine that hangs keeps nobody waiting: the processes of its command are ended all the same.
engine() { timeout -k 2 $((${GRACE:-0} + 60)) "$ENGINE" "$@"; }
