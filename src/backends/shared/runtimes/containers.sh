# Runtime part: docker and podman, through their command. ENGINE is `docker` or `podman`; IMAGES a directory for what was learnt of
# images; COPY=1 where the gateway cannot own what a container writes (docker, not root): then trees are volumes, filled and emptied
# by the engine's own copy. Containers are named JOB-INDEX and carry labels; whoever cleans up removes them.
PIPED=0
name=
filled_by=

# An engine that does not answer is another matter than one that says no.
fault() { # WORD INDEX
  if engine ps -q >/dev/null 2>&1; then blame "$1" "$2"; else blame engine "$2"; fi
}

# What an engine copies out of a container, unpacked. Both ends of the pipe are looked at: tar goes on reading when there is no room.
# A device is no output, and making one takes rights that a gateway need not have.
unpack() { # INDEX SOURCE DIRECTORY TAR_OPTION...
  report=streams/$1.engine source=$2 target=$3
  shift 3
  trouble=$({
    { $ENGINE cp "$source" - 2>"$report" || echo engine >&3; } | LC_ALL=C tar -x "$@" -f - -C "$target" 2>unpacking || echo tar >&3
  } 3>&1)
  if [ "$trouble" = tar ] && [ -s unpacking ]; then
    grep -qv -e ': Cannot mknod: ' -e '^tar: Exiting with failure status' unpacking || return 0
    cat unpacking >>"$report"
  fi
  [ -z "$trouble" ]
}

# Whether the engine's last word was that there is no such file; its command has no code for that.
is_absent() { # INDEX
  read -r line <"streams/$1.engine" || return 1
  case $line in
    *'ould not find the file '* | *' could not be found on container '* | *'o such container:path: '*) ;;
    *) return 1 ;;
  esac
}

inspect_image() { # INDEX REFERENCE
  image=$($ENGINE image inspect --format '{{.Id}}' "$2" 2>"streams/$1.engine") && image=${image##*
} && [ -n "$image" ]
}

# What is here counts as it is written; what is fetched, and what was fetched before, has its whole name.
resolve_image() { # INDEX REFERENCE PULL KNOWN_ID WHOLE_NAME NAME_DIGEST LOGIN
  image=$4
  [ -z "$image" ] || return 0
  watch_fetch
  if [ "$3" != always ]; then
    if inspect_image "$1" "$2" || { [ "$2" != "$5" ] && inspect_image "$1" "$5"; }; then
      if may_have "$6"; then note_image "$1" "$6"; return 0; fi
    fi
    [ "$3" != never ] || { fault noimage "$1"; return 1; }
  fi
  fetch_image "$1" "$5" "$6" "$7" && note_image "$1" "$6"
}

# An image file of this machine (see image-files.sh), loaded under one name that stands for its present content: the names that it gives itself
# are names of the engine's, which others use.
load_image() { # INDEX PATH DIRECTORY...
  watch_fetch
  image=$(bring_image "$@") || { [ $? -le 128 ] || blame pull "$1"; return 1; }
}

# In a shell of its own, which holds the descriptor. Prints the id.
bring_image() { # INDEX PATH DIRECTORY...
  number=$1
  shift
  open_image "$@" 2>"streams/$number.engine" && identity_of_image || { note noimage "$number"; return 1; }
  note_use "$number" || return 1
  name=localhost/tes-gateway-file:$identity
  if ! inspect_image "$number" "$name"; then
    load_opened "$number" && is_unchanged "$number" || return 1
    $ENGINE tag "$image" "$name" 2>"streams/$number.engine" && inspect_image "$number" "$name" || { fault pull "$number"; return 1; }
  fi
  echo "$image"
}

# A root file system is imported, everything else loaded. Leaves the id in `image`.
load_opened() { # INDEX
  report=streams/$1.engine
  if [ -d /proc/self/fd/3 ] && [ ! -e /proc/self/fd/3/oci-layout ]; then
    trouble=$({ { pack_opened 2>unread || echo packing >&4; } | $ENGINE import - >loaded 2>"$report" || echo engine >&4; } 4>&1)
  else
    trouble=$({ { unname_opened 2>unread || echo "unname $?" >&4; } | $ENGINE load -q >loaded 2>"$report" || echo engine >&4; } 4>&1)
    case $trouble in *'unname 3'*) $ENGINE import - </proc/self/fd/3 >loaded 2>"$report" && trouble= || trouble=engine ;; esac
  fi
  case $trouble in
    '') ;;
    *packing*) cat unread >>"$report"; fault pull "$1" || return 1 ;;
    *unname*) cat unread >>"$report"; fault noimage "$1" || return 1 ;;
    *) fault pull "$1" || return 1 ;;
  esac
  image=
  while read -r line; do image=${line##*[!0-9a-f]}; done <loaded
  [ "${#image}" -eq 64 ] && return
  echo "$ENGINE does not say which image it has loaded" >"$report"
  fault pull "$1"
}
pack_opened() { tar -C /proc/self/fd/3 -cf - .; }
unname_opened() {
  if [ -d /proc/self/fd/3 ]; then { pack_opened || echo packing >&4; } | unname_image; else unname_image </proc/self/fd/3; fi
}

# Asked once, of a program that may run for long. Where the engine does not answer it may be at work.
has_begun() {
  name=$JOB-$index
  ask_state
  case $status in
    created | configured | initialized) return 1 ;;
    '') ! engine ps -q >/dev/null 2>&1 ;;
  esac
}

# An engine says that a container has ended when nothing of it is left.
may_leave() { return 1; }
left_behind() { :; }

before_executor() { # INDEX
  name=
  "image_$1" || return 1
  end_watch
  # Another image may run as another user; with rootless podman every file has become the gateway's own.
  if [ "$1" -gt 0 ] && { [ "$image" != "$filled_by" ] || [ "$ENGINE$ROOT" = podman0 ]; }; then open_trees "$1" || return 1; fi
  [ "$image" = "$filled_by" ] || { empty_trees "$1" && fill_trees "$1"; }
}

# What executors wrote may be read and changed by whoever the next one runs as: nobody else gets into the workspace.
open_trees() { # INDEX
  watch_copy
  find trees -mindepth 1 ! -path trees/root \( -type f -o -type d \) -exec chmod a+rwX {} + 2>"streams/$1.engine" || { fault copy "$1"; return 1; }
}

# Where something lies directly in `/`, or where trees are volumes: created, filled, started.
ready_executor() { # INDEX
  [ -n "$COPIED" ] || return 0
  make_container "$1" create || { fault create "$1"; return 1; }
  for tree in $COPIED; do copy_in "$1" "$tree" || { fault copy "$1"; return 1; }; done
}

# Some storages of engines copy the whole image for it: no more is allowed than for fetching that. The copies that follow have their own limit.
make_container() { # INDEX COMMAND...
  report=streams/$1.engine
  shift
  watch_fetch
  "$@" >/dev/null 2>"$report" && watch_time "$COPY_LIMIT" late
}

copy_in() { # INDEX TREE
  if [ "$2" = root ]; then
    $ENGINE cp trees/root/. "$name:/" >/dev/null 2>"streams/$1.engine"
    return
  fi
  # Under its own name, so that the directory itself keeps its mode: whoever the container runs as may write there.
  "path_of_$2"
  parent=${path%/*}
  rm -rf copied && mkdir copied && mv "trees/$2" "copied/${path##*/}" || return 1
  # What an executor wrote is the gateway user's by now; the next one may have another user.
  [ "$1" -eq 0 ] || chmod -R a+rwX copied || return 1
  # A word with a colon is of a container, unless it begins with a dot.
  $ENGINE cp "./copied/${path##*/}" "$name:${parent:-/}" >/dev/null 2>"streams/$1.engine" && mv "copied/${path##*/}" "trees/$2"
}

start_created() {
  if [ "$stdin" = /dev/null ]; then exec "$ENGINE" start -a "$name"; else exec "$ENGINE" start -a -i "$name"; fi
}

# Where the image itself has something in a directory that a tree will cover, it is copied into the tree; inputs win.
fill_trees() { # INDEX
  scratch=
  known=$IMAGES/${image##*:}
  filled=1
  "roots_$1" || filled=
  # Whoever cleans up removes what this cannot.
  [ -z "$scratch" ] || $ENGINE rm -f -v "$scratch" >/dev/null 2>&1
  filled_by=$image
  [ -n "$filled" ]
}

fill_root() { # INDEX KEY TREE PATH
  state=
  { read -r state <"$known/$2"; } 2>/dev/null
  [ "$state" != empty ] || return 0
  if [ -z "$scratch" ]; then
    [ ! -e "$MARK" ] || return 1
    # shellcheck disable=SC2086
    make_container "$1" $ENGINE create --name "$JOB-$1-image" --label "tes-gateway.job=$JOB" $MINE --network none --entrypoint '' "$image" /none \
      || { fault copy "$1"; return 1; }
    scratch=$JOB-$1-image
  fi
  mkdir -p "fill/$3" "$known" || { fault copy "$1"; return 1; }
  unpack "$1" "$scratch:$4/." "fill/$3" -p --numeric-owner || is_absent "$1" || { fault copy "$1"; return 1; }
  set +f
  set -- "$1" "$2" "$3" "$4" fill/"$3"/* fill/"$3"/.[!.]* fill/"$3"/..?*
  set -f
  if [ $# -eq 7 ] && [ ! -e "$5" ] && [ ! -L "$5" ] && [ ! -e "$6" ] && [ ! -L "$6" ] && [ ! -e "$7" ] && [ ! -L "$7" ]; then
    # Without this the next task looks again.
    { echo empty >"$known/$2.$$" && mv "$known/$2.$$" "$known/$2"; } 2>/dev/null
    return 0
  fi
  # No-clobber: some versions of cp call that a failure (1) and say so, and all do where a directory would replace what is none, or a link stays.
  LC_ALL=C cp -a -n "fill/$3/." "trees/$3/" 2>"streams/$1.engine"
  case $? in
    0) ;;
    1) [ -s "streams/$1.engine" ] && ! grep -qv -e 'not replacing' -e 'cannot overwrite ' -e 'not writing through dangling' "streams/$1.engine" || { fault copy "$1"; return 1; } ;;
    *) fault copy "$1" || return 1 ;;
  esac
  chmod 777 "trees/$3" || fault copy "$1"
}

# What the last image brought and no executor changed is taken out before another image comes.
empty_trees() { # INDEX
  [ -d fill ] || return 0
  watch_copy
  "$SHELL_PROGRAM" -c '
    cd fill || exit 1
    for tree in *; do
      [ -d "$tree" ] || continue
      filled=$PWD/$tree
      (cd "../trees/$tree" && find . \( -type f -o -type l \) -exec "$0" -c '\''
        fill=$1 failed=0; shift
        for file; do
          if [ -L "$file" ]; then
            if [ -L "$fill/$file" ] && [ "$(readlink "$file")" = "$(readlink "$fill/$file")" ]; then rm -f "$file" || failed=1; fi
          elif [ ! -L "$fill/$file" ] && cmp -s "$fill/$file" "$file"; then rm -f "$file" || failed=1; fi
        done
        exit $failed'\'' "$0" "$filled" {} +) || exit 1
    done' "$SHELL_PROGRAM" 2>"streams/$1.engine" && rm -rf fill || fault copy "$1"
}

copy_back() { # INDEX
  for tree in $COPIED; do
    if [ "$tree" = root ]; then copy_back_root "$1" || return 1; continue; fi
    "path_of_$tree"
    rm -rf copied && mkdir copied && unpack "$1" "$name:$path/." copied \
      && chmod -R u+rwX copied && chmod 777 copied && rm -rf "trees/$tree" && mv copied "trees/$tree" || { fault copy "$1"; return 1; }
  done
}

# Of `/` what the task names, and for its wildcards what is new there.
copy_back_root() { # INDEX
  "take_named_$1" || return 1
  [ "$ROOT_WILDCARD" = 1 ] || return 0
  $ENGINE diff "$name" >changes 2>"streams/$1.engine" || { fault copy "$1"; return 1; }
  entry=
  while IFS= read -r line; do
    case $line in
      [ACD]' /'*) ;;
      # The rest of a name with a line break. Which one it is cannot be told for certain.
      *)
        [ -n "$entry" ] || continue
        echo "a name in / that begins with $entry holds a line break" >"streams/$1.engine"
        blame copy "$1"
        return 1
        ;;
    esac
    entry=${line#? /}
    case $entry in */* | '' | . | .. | proc | sys | dev | run | etc | sbin | .dockerenv) entry= && continue ;; esac
    case $line in A*) ;; *) entry= && continue ;; esac
    if ! is_named "$entry"; then take_entry "$1" "$entry" </dev/null || return 1; fi
  done <changes
}

take_entry() { # INDEX ENTRY
  if is_mounted "$2"; then return 0; fi
  rm -rf copied && mkdir copied || { fault copy "$1"; return 1; }
  "take_with_$ENGINE" "$1" "$2"
  case $? in
    0) rm -rf "trees/root/$2" && mv "copied/$2" trees/root/ || { fault copy "$1"; return 1; } ;;
    1) rm -rf "trees/root/$2" || { fault copy "$1"; return 1; } ;;
    *) fault copy "$1" || return 1 ;;
  esac
}

# 1: it is not there; 2: it could not be copied.
take_with_docker() { # INDEX ENTRY
  $ENGINE cp "$name:/$2" copied/ >/dev/null 2>"streams/$1.engine" && return
  is_absent "$1" || return 2
  return 1
}
# Its `cp` gives what a link leads to, and nothing where that lies in a directory of ours; but of directories what their volumes hold.
take_with_podman() { # INDEX ENTRY
  if [ "$ROOT" = 0 ]; then set -- "$@" podman unshare; fi
  report=streams/$1.engine entry=$2
  shift 2
  # It is let go of with its container.
  "$@" "$SHELL_PROGRAM" -c '
    found=$(podman mount "$1") || exit 2
    found=$found/$2
    if [ ! -L "$found" ]; then
      [ -e "$found" ] || exit 1
      [ ! -d "$found" ] || exec podman cp "$1:/$2" copied/
    fi
    cp -a -- "$found" copied/ || exit 2' "$SHELL_PROGRAM" "$name" "$entry" 2>"$report"
}

after_executor() { # INDEX CODE
  ran=1
  if [ "$2" -ne 0 ] || [ -e "$MARK" ] || [ -e timeout ]; then judge "$1" "$2" || return 1; fi
  [ "$code" -ne 127 ] || name_entrypoint "$1"
  [ -n "$ran" ] || return 0
  complete_streams "$1" || return 1
  if [ -n "$COPIED" ]; then watch_copy && copy_back "$1" || return 1; fi
  if [ "$ENGINE$ROOT" = podman0 ]; then
    podman unshare "$SHELL_PROGRAM" -c 'chown -hR 0:0 trees && chmod -R u+rwX trees' 2>"streams/$1.engine" || { fault copy "$1"; return 1; }
  fi
}
