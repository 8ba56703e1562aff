# Runtime part: bubblewrap. The kernel ends the whole tree with its first process (--die-with-parent, own pid namespace).
PIPED=1
nice=/usr/bin/nice
[ -x "$nice" ] || nice=/bin/nice
before_executor() { :; }
ready_executor() { :; }

# bwrap ends with the program; what that has left is ended by the kernel, after bwrap's first process. The ordinary program leaves nothing:
# then the first process has no children, and its own end, which takes a while, is not waited for.
may_leave() { # INDEX CODE
  line= children=
  { read -r line <"streams/$1.evidence"; } 2>/dev/null
  case $line in *'"child-pid": '[0-9]*) ;; *) return 1 ;; esac
  first_pid=${line#*'"child-pid": '}
  first_pid=${first_pid%%[!0-9]*}
  # Not in every kernel. A program that got hold of the first process could give it threads.
  [ -e "/proc/$first_pid/task/$first_pid/children" ] || return 0
  set +f
  for file in /proc/"$first_pid"/task/*/children; do
    # It has no line end, with which `read` would succeed.
    { read -r children <"$file"; } 2>/dev/null
    [ -z "$children" ] || break
  done
  set -f
  [ -n "$children" ]
}
# In the script's own process namespace the number is another's by now.
# shellcheck disable=SC3013
left_behind() { [ "/proc/$first_pid/ns/pid" -ef "/proc/$$/ns/pid" ] || offspring members "$first_pid" ''; }

# bwrap writes an exit code only when the program was started and has ended; without one, it failed itself.
after_executor() { # INDEX CODE
  ended=1
  while read -r line; do
    case $line in *'"exit-code"'*) ended=0 ;; esac
  done <"streams/$1.evidence"
  drop_skeleton
  # Killed from outside bwrap had no time to write: by the time limit, a cancel, a memory limit, or by somebody.
  if [ "$ended" -ne 0 ] && [ "$2" -ge 128 ]; then
    ended=0
    if [ ! -e "$MARK" ] && [ ! -e timeout ]; then note killed "$1"; fi
  fi
  return $ended
}
