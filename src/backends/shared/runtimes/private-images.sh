# Runtime part of docker and podman: who has an image that somebody's own login brought, and how it is fetched. After containers.sh, whose names it uses.

# What somebody's own login brought is marked, its name before and its id after, by directories, which are not swept. Another owner's task gets
# it when the registry has let that owner have it, which is remembered by image until the next sweep (forget-images.sh) and asked by a fetch:
# of layers that are here already nothing is sent.
is_private() { [ -d "$IMAGES/${image##*:}/private" ] || [ -d "$IMAGES/$1/private" ]; } # NAME_DIGEST
may_have() { ! is_private "$1" || [ -e "$IMAGES/${image##*:}/may.$OWNER" ]; } # NAME_DIGEST

# A login comes by a file that only the gateway's user can read, and only to this command.
fetch_image() { # INDEX WHOLE_NAME NAME_DIGEST LOGIN
  report=streams/$1.engine
  if [ "$4" = 1 ]; then
    mkdir -p "$IMAGES/$3/private" || { blame files "$1"; return 1; }
    DOCKER_CONFIG=$PWD/plan REGISTRY_AUTH_FILE=$PWD/plan/config.json "$ENGINE" pull -q "$2" >/dev/null 2>"$report" || { fault pull "$1"; return 1; }
  else
    $ENGINE pull -q "$2" >/dev/null 2>"$report" || { fault pull "$1"; return 1; }
  fi
  inspect_image "$1" "$2" || { fault pull "$1"; return 1; }
  [ "$4" != 1 ] || mkdir -p "$IMAGES/${image##*:}/private" || { blame files "$1"; return 1; }
  is_private "$3" || return 0
  mkdir -p "$IMAGES/${image##*:}" && true >"$IMAGES/${image##*:}/may.$OWNER" || { blame files "$1"; return 1; }
}

# Other tasks take it at its word for a moment.
note_image() { is_private "$2" || note image "$1 $image"; } # INDEX NAME_DIGEST
