#!/bin/sh
# A docker or podman whose container is a directory, `$FAKE/container`, and whose program is `$FAKE/program`. What goes wrong stands in files
# named after its verbs (`$FAKE/cp`), which are read before anything is done; `exit` in one leaves the verb undone.
case $1 in --*) shift ;; esac
verb=$1
[ "$verb" != image ] || verb=image-$2
echo "$verb $*" >>"$FAKE/calls"
[ ! -e "$FAKE/$verb" ] || . "$FAKE/$verb"

end() { # CODE
  [ -e "$FAKE/state" ] || echo "exited $1 false " >"$FAKE/state"
  exit "$1"
}
case $verb in
  ps) ;;
  image-inspect)
    case $* in *Entrypoint*) cat "$FAKE/entrypoint" 2>/dev/null || echo null ;; *) echo sha256:abc ;; esac
    ;;
  inspect)
    [ -e "$FAKE/state" ] || exit 1
    case $* in *.HostConfig.Init*) cat "$FAKE/init" 2>/dev/null || echo '<nil>' ;; *) cat "$FAKE/state" ;; esac
    ;;
  run | start)
    # What this shell says of a program that was ended is no word of an engine's.
    [ ! -e "$FAKE/program" ] || { (cd "$FAKE/container" && exec sh "$FAKE/program" 2>&3); } 3>&2 2>/dev/null
    end $?
    ;;
  # podman alone.
  mount) echo "$FAKE/container" ;;
  cp)
    # As docker takes words apart.
    case $2 in
      .*) /bin/cp -a "$2" "$FAKE/container${3#*:}" ;;
      *:*)
        place=$FAKE/container${2#*:}
        if [ ! -e "${place%/.}" ]; then
          echo "Error response from daemon: Could not find the file ${2#*:} in container" >&2
          exit 1
        fi
        if [ "$3" = - ]; then exec tar -C "${place%/.}" -cf - .; fi
        /bin/cp -a "$place" "$3"
        ;;
      *) /bin/cp -a "$2" "$FAKE/container${3#*:}" ;;
    esac
    ;;
esac
