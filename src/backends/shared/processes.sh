# Live processes below some, in one pass over /proc, however many there are; without those to SKIP and what is below these. WHICH: all; members
# (with the ROOTS themselves); children; programs (no part of a runtime: bwrap takes its tree with it at once, conmon reports how a container
# ended, apptainer's own processes hand TERM on to the program, for which a second one changes the exit code). Of ROOTS and SKIP only the
# numbers count.
offspring() { # WHICH "ROOT..." "SKIP..."
  set +f
  # What ends while it is looked at is not there.
  cat /proc/[0-9]*/status 2>/dev/null | awk -v which="$1" -v roots="$2" -v skip="$3" '
    function set_of(text, set,  words, i) { i = split(text, words, /[^0-9]+/); for (; i > 0; i--) set[words[i]] = 1 }
    BEGIN { set_of(roots, root); set_of(skip, skipped) }
    /^Name:/ { runtime = $2 ~ /^(bwrap|conmon|starter|starter-suid|appinit)$/ }
    /^State:/ { live = $2 != "Z" && $2 != "X" }
    /^Pid:/ { pid = $2 }
    /^PPid:/ {
      if (live) parent[pid] = $2
      if (which == "all" || which == "members" || (which == "children" && ($2 in root)) || (which == "programs" && !runtime)) chosen[pid] = 1
    }
    # Up to what is known already, then down: 1 is a root, 2 below one.
    END {
      for (pid in parent) {
        count = 0
        for (at = pid; (at in parent) && !(at in kind); at = parent[at]) { kind[at] = 0; way[++count] = at }
        for (; count > 0; count--) {
          at = way[count]
          above = kind[parent[at]]
          kind[at] = (at in skipped) || above < 0 ? -1 : at in root ? 1 : above > 0 ? 2 : 0
        }
        if (kind[pid] >= (which == "members" ? 1 : 2) && (pid in chosen)) print pid
      }
    }'
  set -f
}

# An engine that hangs keeps nobody waiting: the processes of its command are ended all the same.
engine() { timeout -k 2 $((${GRACE:-0} + 60)) "$ENGINE" "$@"; }
