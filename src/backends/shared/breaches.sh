# What the kernel counted of a job's limits (cgroup-rules.ts), by builtins alone; before its groups go. Where a name is missing there is no group.
# Its notes are of no executor.
count_breaches() {
  [ ! -e timeout ] || note timeout job
  [ -z "${MEMORY_EVENTS-}" ] || note_count oom oom_kill "$MEMORY_EVENTS"
  [ -z "${PIDS_EVENTS-}" ] || note_count pids max "$PIDS_EVENTS"
  [ -n "${MEMORY_REFUSALS-}" ] || return 0
  # They tell of a limit, not that the kernel has killed for it.
  count=0 killed=
  { read -r count <"$MEMORY_REFUSALS"; } 2>/dev/null
  while read -r word rest number code; do [ "$word $code" != 'end 137' ] || killed=1; done <progress
  [ -z "$killed" ] || [ "$count" -eq 0 ] || note oom job
}
note_count() { # WORD KEY FILE
  while read -r key count; do
    if [ "$key" = "$2" ] && [ "$count" -gt 0 ]; then note "$1" job; fi
  done 2>/dev/null <"$3"
}
