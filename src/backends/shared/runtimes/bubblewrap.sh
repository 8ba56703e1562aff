# Runtime part: bubblewrap. The kernel ends the whole tree with its first process (--die-with-parent, own pid namespace).
PIPED=1
before_executor() { :; }
ready_executor() { :; }

# bwrap writes an exit code only when the program was started and has ended; without one, it failed itself.
after_executor() { # INDEX CODE
  ended=1
  while read -r line; do
    case $line in *'"exit-code"'*) ended=0 ;; esac
  done <"streams/$1.evidence"
  drop_skeleton
  # Killed from outside (time limit, cancel): bwrap had no time to write.
  [ "$2" -lt 128 ] || ended=0
  return $ended
}
