# Runtime part: docker and podman, through their command. ENGINE is `docker` or `podman`; IMAGES a directory for what was learnt of
# images; COPY=1 where the gateway cannot own what a container writes (docker, not root): then trees are volumes, filled and emptied
# by the engine's own copy. Containers are named JOB-INDEX and carry labels; whoever cleans up removes them.
PIPED=0
name=
filled_by=

fault() { # WORD INDEX
  # An engine that does not answer is another matter than one that says no.
  if $ENGINE ps -q >/dev/null 2>&1; then note "$1" "$2"; else note engine "$2"; fi
  return 1
}

inspect_image() { # INDEX REFERENCE
  image=$($ENGINE image inspect --format '{{.Id}}' "$2" 2>"streams/$1.engine") && image=${image##*
} && [ -n "$image" ]
}

# What is here counts as it is written; what is fetched, and what was fetched before, has its whole name.
resolve_image() { # INDEX REFERENCE PULL KNOWN_ID WHOLE_NAME
  image=$4
  [ -z "$image" ] || return 0
  if [ "$3" != always ]; then
    if inspect_image "$1" "$2" || { [ "$2" != "$5" ] && inspect_image "$1" "$5"; }; then note image "$1 $image"; return 0; fi
    [ "$3" != never ] || { fault noimage "$1"; return 1; }
  fi
  $ENGINE pull -q "$5" >/dev/null 2>"streams/$1.engine" || { fault pull "$1"; return 1; }
  inspect_image "$1" "$5" || { fault pull "$1"; return 1; }
  note image "$1 $image"
}

# An image file of this machine, under a name that stands for its present content.
load_image() { # INDEX NAME PATH FORM
  if inspect_image "$1" "$2"; then return 0; fi
  loaded=
  if [ "$4" != directory ]; then loaded=$($ENGINE load -q -i "$3" 2>"streams/$1.engine") || loaded=; fi
  loaded=${loaded##*
}
  if [ -n "$loaded" ]; then
    $ENGINE tag "${loaded#*: }" "$2" 2>"streams/$1.engine"
  elif [ "$4" = directory ]; then
    tar -C "$3" -cf - . | $ENGINE import - "$2" >/dev/null 2>>"streams/$1.engine"
  elif [ "$4" = archive ]; then
    $ENGINE import "$3" "$2" >/dev/null 2>>"streams/$1.engine"
  fi
  inspect_image "$1" "$2" || { fault noimage "$1"; return 1; }
}

before_executor() { # INDEX
  name=
  # Fetching an image has a limit of its own; the task's begins with its first executor.
  [ "$1" -gt 0 ] || watch_time 3600
  "image_$1" || return 1
  # Another image may run as another user; with rootless podman every file has become the gateway's own.
  if [ "$1" -gt 0 ] && { [ "$image" != "$filled_by" ] || [ "$ENGINE$ROOT" = podman0 ]; }; then open_trees "$1" || return 1; fi
  [ "$image" = "$filled_by" ] || { empty_trees && fill_trees "$1"; }
}

# What executors wrote may be read and changed by whoever the next one runs as: nobody else gets into the workspace.
open_trees() { # INDEX
  find trees -mindepth 1 ! -path trees/root \( -type f -o -type d \) -exec chmod a+rwX {} + 2>"streams/$1.engine" || { fault copy "$1"; return 1; }
}

ready_executor() { :; }

# Where the image itself has something in a directory that a tree will cover, it is copied into the tree; inputs win.
fill_trees() { # INDEX
  scratch=
  known=$IMAGES/${image##*:}
  "roots_$1" && code=0 || code=1
  [ -z "$scratch" ] || $ENGINE rm -f -v "$scratch" >/dev/null 2>&1
  filled_by=$image
  return $code
}

fill_root() { # INDEX KEY TREE PATH
  state=
  { read -r state <"$known/$2"; } 2>/dev/null
  [ "$state" != empty ] || return 0
  if [ -z "$scratch" ]; then
    [ ! -e "$MARK" ] || return 1
    $ENGINE create --name "$JOB-$1-image" --label "tes-gateway.job=$JOB" $MINE --network none --entrypoint '' "$image" /none >/dev/null 2>"streams/$1.engine" \
      || { fault copy "$1"; return 1; }
    scratch=$JOB-$1-image
  fi
  mkdir -p "fill/$3" "$known" || return 1
  { $ENGINE cp "$scratch:$4/." - 2>"streams/$1.engine"; echo $? >fill/code; } | tar -xpf - --numeric-owner -C "fill/$3" 2>/dev/null
  read -r copied <fill/code
  if [ "$copied" -ne 0 ]; then
    read -r line <"streams/$1.engine"
    case $line in
      *"ould not "*"find"* | *"ould not be found"* | *"o such file"*) ;;
      *) fault copy "$1"; return 1 ;;
    esac
  fi
  set +f
  set -- "$1" "$2" "$3" "$4" fill/"$3"/* fill/"$3"/.[!.]*
  set -f
  if [ ! -e "$5" ] && [ ! -L "$5" ] && [ $# -eq 6 ] && [ ! -e "$6" ] && [ ! -L "$6" ]; then
    echo empty >"$known/$2.$$" && mv "$known/$2.$$" "$known/$2"
    return 0
  fi
  # No-clobber: some versions of cp call that a failure and say so.
  cp -a -n "fill/$3/." "trees/$3/" 2>"streams/$1.engine" || ! grep -qv 'not replacing' "streams/$1.engine" || { fault copy "$1"; return 1; }
  chmod 777 "trees/$3"
}

# What the last image brought and no executor changed is taken out before another image comes.
empty_trees() {
  [ -d fill ] || return 0
  "$SHELL_PROGRAM" -c '
    cd fill || exit 1
    for tree in *; do
      [ -d "$tree" ] || continue
      filled=$PWD/$tree
      (cd "../trees/$tree" && find . \( -type f -o -type l \) -exec "$0" -c '\''
        fill=$1; shift
        for file; do
          if [ -L "$file" ]; then [ -L "$fill/$file" ] && [ "$(readlink "$file")" = "$(readlink "$fill/$file")" ] && rm -f "$file"
          elif [ ! -L "$fill/$file" ] && cmp -s "$fill/$file" "$file"; then rm -f "$file"; fi
        done'\'' "$0" "$filled" {} +)
    done' "$SHELL_PROGRAM"
  rm -rf fill
}

# create, copy in, start: where something lies directly in `/`, or where trees are volumes.
start_copied() { # INDEX
  for tree in $COPIED; do
    if [ "$tree" = root ]; then
      $ENGINE cp trees/root/. "$name:/" >/dev/null 2>"streams/$1.engine" || exit 125
      continue
    fi
    # Under its own name, so that the directory itself keeps its mode: whoever the container runs as may write there.
    "path_of_$tree"
    parent=${path%/*}
    rm -rf copied && mkdir copied && mv "trees/$tree" "copied/${path##*/}" || exit 125
    # What an executor wrote is the gateway user's by now; the next one may have another user.
    [ "$1" -eq 0 ] || chmod -R a+rwX copied
    $ENGINE cp "copied/${path##*/}" "$name:${parent:-/}" >/dev/null 2>"streams/$1.engine"
    code=$?
    mv "copied/${path##*/}" "trees/$tree" && [ "$code" -eq 0 ] || exit 125
  done
  if [ "$stdin" = /dev/null ]; then exec $ENGINE start -a "$name"; else exec $ENGINE start -a -i "$name"; fi
}

copy_back() { # INDEX
  for tree in $COPIED; do
    if [ "$tree" = root ]; then copy_back_root; continue; fi
    "path_of_$tree"
    rm -rf copied && mkdir copied || return 1
    { $ENGINE cp "$name:$path/." - 2>"streams/$1.engine"; echo $? >copied.code; } | tar -xf - -C copied 2>/dev/null
    read -r copied <copied.code
    [ "$copied" -eq 0 ] || return 1
    chmod -R u+rwX copied && chmod 777 copied && rm -rf "trees/$tree" && mv copied "trees/$tree" || return 1
  done
}

# Of `/` only what is new there, or was named by the task.
copy_back_root() {
  $ENGINE diff "$name" 2>/dev/null >changes
  while IFS=' ' read -r kind path; do
    entry=${path#/}
    case $entry in */* | '') continue ;; esac
    if is_mounted "$entry"; then continue; fi
    case $entry in proc | sys | dev | run | etc | sbin | .dockerenv) kind=C ;; esac
    if [ "$kind" = A ] || is_named "$entry"; then
      rm -rf "trees/root/$entry"
      $ENGINE cp "$name:/$entry" trees/root/ >/dev/null 2>&1 </dev/null
    fi
  done <changes
}

# It ends with 1 when there is no program to start, and says this alone.
code_of_catatonit() { # INDEX
  read -r line <"streams/$1.stderr" || return 0
  case $line in
    'ERROR (catatonit:'*'): failed to exec pid1: No such file or directory') code=127 ;;
    'ERROR (catatonit:'*'): failed to exec pid1: '*) code=126 ;;
  esac
}

# 125 is the command's own failure, unless the container has ended with it.
after_executor() { # INDEX CODE
  [ "$2" -ne 1 ] || [ -s "streams/$1.stdout" ] || code_of_catatonit "$1"
  if [ "$2" -eq 125 ]; then
    state=$($ENGINE inspect --type container --format '{{.State.Status}} {{.State.ExitCode}}' "$name" 2>/dev/null)
    [ "$state" = 'exited 125' ] || return 1
  fi
  # podman says 127 also of a container whose watcher was killed: it never learns of its end and believes that it goes on.
  if [ "$2" -eq 127 ] && [ "$ENGINE" = podman ]; then
    state=$(podman inspect --type container --format '{{.State.Status}}' "$name" 2>/dev/null)
    [ "$state" != running ] || { note unwatched "$1"; return 1; }
  fi
  # podman that is asked to end before its container has begun says 0, as a service that is stopped does: no program has said that.
  if [ "$2" -eq 0 ] && { [ -e "$MARK" ] || [ -e timeout ]; }; then
    state=$($ENGINE inspect --type container --format '{{.State.Status}} {{.State.ExitCode}}' "$name" 2>/dev/null)
    [ "$state" = 'exited 0' ] || code=143
  fi
  if [ "$2" -eq 137 ] && [ ! -e "$MARK" ] && [ "$($ENGINE inspect --type container --format '{{.State.OOMKilled}}' "$name" 2>/dev/null)" = true ]; then note oom "$1"; fi
  if [ -n "$COPIED" ]; then copy_back "$1" || { fault copy "$1"; return 1; }; fi
  if [ "$ENGINE" = podman ] && [ "$ROOT" = 0 ]; then podman unshare "$SHELL_PROGRAM" -c 'chown -hR 0:0 trees; chmod -R u+rwX trees' 2>/dev/null; fi
}
