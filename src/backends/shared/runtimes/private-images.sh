# Runtime part of docker and podman: who has an image that somebody's own login brought, and how it is fetched. After containers.sh, whose names it uses.

# What somebody's own login brought is marked by its id, with the host that it came from, and by its name while it is on its way: by directories,
# which are not swept. Another owner's task gets it when that host has let that owner have it, which is remembered by image until the next sweep
# (forget-images.sh) and asked by a fetch: of layers that are here already nothing is sent.
is_private() { [ -d "$IMAGES/${image##*:}/private" ] || [ -d "$IMAGES/$1/private" ]; } # NAME_DIGEST
may_have() { ! is_private "$1" || [ -e "$IMAGES/${image##*:}/may.$OWNER" ]; } # NAME_DIGEST

# A login comes by a file that only the gateway's user can read, and only to this command.
fetch_image() { # INDEX WHOLE_NAME NAME_DIGEST LOGIN
  report=streams/$1.engine
  if [ "$4" = 1 ]; then
    mkdir -p "$IMAGES/$3/private/$JOB" || { blame files "$1"; return 1; }
    here=$($ENGINE image ls -aq --no-trunc 2>"$report") || { fault pull "$1"; return 1; }
    if ! DOCKER_CONFIG=$PWD/plan REGISTRY_AUTH_FILE=$PWD/plan/config.json "$ENGINE" pull -q "$2" >/dev/null 2>"$report"; then
      fault pull "$1" || :
      ! $ENGINE ps -q >/dev/null 2>&1 || $ENGINE image inspect "$2" >/dev/null 2>&1 || unmark_name "$3"
      return 1
    fi
  else
    $ENGINE pull -q "$2" >/dev/null 2>"$report" || { fault pull "$1"; return 1; }
  fi
  inspect_image "$1" "$2" || { fault pull "$1"; return 1; }
  mark_image "$@"
}

# Another host than the one that it came from is not asked: it could be anybody's, and engines take what it names by a digest from what is here.
mark_image() { # INDEX WHOLE_NAME NAME_DIGEST LOGIN
  mark=$IMAGES/${image##*:}/private/${2%%/*}
  if [ -d "${mark%/*}" ] && [ ! -d "$mark" ] && ! may_have "$3"; then
    echo 'denied: it is here from another registry, by the login of somebody' >"streams/$1.engine"
    blame pull "$1"
    return 1
  fi
  if [ "$4" = 1 ]; then
    # What was here for all stays so.
    case $here in *"${image##*:}"*) [ -d "${mark%/*}" ] ;; esac && { mkdir -p "$mark" || { blame files "$1"; return 1; }; }
    unmark_name "$3"
  fi
  is_private "$3" || return 0
  mkdir -p "${mark%/private/*}" && true >"${mark%/private/*}/may.$OWNER" || { blame files "$1"; return 1; }
}

# Other jobs may be fetching it. One whose end nobody heard of leaves its mark.
unmark_name() { rmdir "$IMAGES/$1/private/$JOB" "$IMAGES/$1/private" 2>/dev/null || :; } # NAME_DIGEST

# Other tasks take it at its word for a moment.
note_image() { is_private "$2" || note image "$1 $image"; } # INDEX NAME_DIGEST
