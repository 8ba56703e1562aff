# A short job beside the jobs: what only the worker itself can say or do. Stands after absence.sh, probe.sh, forget-images.sh and the variables of its settings.
# Called as `sh SCRIPT VERB ARGUMENTS`; answers in the file ANSWER, which appears whole, by rename. JOBS is the directory of all jobs' directories,
# WORKSPACE the way from one of these to its workspace. Ends 0 whatever it found.
set -u

# What this worker is and has, and what jobs would lack there.
probe() {
  close_staging
  find . -maxdepth 0 -printf '' 2>/dev/null || echo 'lacks find with -printf (GNU findutils)'
  echo | sha256sum -z >/dev/null 2>&1 || echo 'lacks sha256sum with -z (GNU coreutils)'
  probe_machine "$@"
}

# Values of variables and credentials lie in the directories of jobs, with the modes that the host gives them, until their scripts run: nobody
# else may come in there. Where a setting of the host closes each of them, that goes before.
close_staging() {
  is_closed .. && return
  way=$(cd "$JOBS" && pwd -P) || return
  # What cannot be closed may lie in what is.
  chmod go-rwx "$JOBS" 2>/dev/null
  open=$way
  until is_closed "${way:-/}"; do
    [ -n "$way" ] || { echo "open $open" && return; }
    way=${way%/*}
  done
}
is_closed() { [ -n "$(find "$1" -maxdepth 0 ! -perm /011)" ]; }

# What a fresh root for bubblewrap is made of: kind, path, link target of the worker's own directories, each ended by NUL.
entries() {
  find / /etc -mindepth 1 -maxdepth 1 -printf '%y\0%p\0%l\0' 2>/dev/null
  find /usr -mindepth 1 -maxdepth 2 -printf '%y\0%p\0%l\0' 2>/dev/null
}

# alive, dead or never: the process that claimed the attempt, by its number, start and boot.
look() { # JOB
  place=$JOBS/$1/$WORKSPACE
  [ -e "$place/started" ] || { echo never && return; }
  if script_lives "$place"; then echo alive; else echo dead; fi
}

# Every job of this gateway that still has a directory: name, age in seconds. Errands of gateways that died meanwhile go: none lasts a minute.
names() { # OWNER
  now=$(date +%s)
  find "$JOBS" -mindepth 1 -maxdepth 1 -name 'tes-errand-*' -mmin +10 -exec rm -rf {} +
  forget_images "$JOBS/.tes-gateway/images" "${ENGINE-}" 2>/dev/null || : # It is tried again with the next listing.
  for mark in "$JOBS"/*/"$WORKSPACE"/mark; do
    word= owner=
    { read -r word owner <"$mark"; } 2>/dev/null
    [ "$owner" = "$1" ] || continue
    job=${mark#"$JOBS"/}
    changed=$(stat -c %Y "$mark") || continue
    echo "${job%%/*} $((now - changed))"
  done
}

# What a stager that is there says: its name and version.
stager() { "$@" --version </dev/null 2>&1 | head -c 400; }

verb=$1
shift
case $verb in
  probe) probe "$@" >"$ANSWER.new" ;;
  entries) entries >"$ANSWER.new" ;;
  stager) stager "$@" >"$ANSWER.new" ;;
  look) look "$@" >"$ANSWER.new" ;;
  end) { end_job "$1" 2 && remove_groups "$1" && echo ended || echo left; } >"$ANSWER.new" ;;
  names) names "$@" >"$ANSWER.new" ;;
  remove) { rm -rf "${JOBS:?}/$1" && echo removed || echo left; } >"$ANSWER.new" ;;
esac
mv "$ANSWER.new" "$ANSWER"
exit 0
