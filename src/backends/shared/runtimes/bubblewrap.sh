# Runtime part: bubblewrap. The kernel ends the whole tree with its first process (--die-with-parent, own pid namespace).
PIPED=1
nice=/usr/bin/nice
[ -x "$nice" ] || nice=/bin/nice
before_executor() { :; }
ready_executor() { :; }

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
