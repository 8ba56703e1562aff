# Runtime part: apptainer. IMAGES holds SIF files made from registries and archives; OVERLAY=1 where a writable layer over the
# image works: then trees lie in that layer, so that what the image has in the same directory stays visible.
PIPED=1

before_executor() { "image_$1" && end_watch; } # INDEX
ready_executor() { [ "$OVERLAY" = 0 ] || lay_trees || blame files "$1"; } # INDEX

use_image() { # INDEX PATH
  image=$2
  [ -e "$image" ] || { note noimage "$1"; return 1; }
}

# The real path counts: a link in such a directory does not lead out of it.
use_image_within() { # INDEX PATH DIRECTORY...
  number=$1
  image=$(readlink -f -- "$2") || image=
  shift 2
  for place; do
    place=$(readlink -f -- "$place") || continue
    case $image in "$place"/*) [ ! -e "$image" ] || return 0 ;; esac
  done
  note noimage "$number"
  return 1
}

# Made aside and renamed: two jobs may make the same one at once.
make_image() { # INDEX FILE SOURCE PULL
  image=$IMAGES/$2
  if [ -e "$image" ] && [ "$4" != always ]; then return 0; fi
  if [ "$4" = never ]; then note noimage "$1"; return 1; fi
  watch_fetch
  mkdir -p "$IMAGES" || { blame files "$1"; return 1; }
  made=$image.$JOB
  if ! { apptainer -q build --force "$made" "$3" >/dev/null 2>"streams/$1.engine" && mv "$made" "$image"; }; then
    blame pull "$1"
    # Only to make room.
    rm -f "$made"
    return 1
  fi
}

# A root file system as a plain tar file.
unpack_image() { # INDEX FILE SOURCE
  image=$IMAGES/$2
  [ ! -e "$image" ] || return 0
  if make_image "$1" "$2" "docker-archive:$3" missing; then return 0; fi
  watch_fetch
  mkdir -p "$IMAGES" unpacked && tar -xf "$3" -C unpacked 2>>"streams/$1.engine" || { blame pull "$1"; return 1; }
  make_image "$1" "$2" unpacked missing || return 1
  # Only to make room.
  rm -rf unpacked
}

# Trees move into a fresh layer before an executor and back after it: renames on one disk.
lay_trees() {
  rm -rf layer && mkdir -p layer/work layer/upper && chmod 755 layer layer/upper || return 1
  set +f
  for file in trees/root/* trees/root/.[!.]*; do
    if [ -e "$file" ] || [ -L "$file" ]; then mv "$file" layer/upper/ || return 1; fi
  done
  set -f
  each_tree lay_tree
}
lay_tree() { # TREE NAME PARENT_SEGMENT...
  tree=$1
  last=$2
  shift 2
  found=layer/upper
  for segment; do
    found=$found/$segment
    [ -d "$found" ] || mkdir -m 755 "$found" || return 1
  done
  mv "trees/$tree" "$found/$last"
}

take_trees() {
  each_tree take_tree || return 1
  set +f
  for file in layer/upper/* layer/upper/.[!.]*; do
    if [ -c "$file" ]; then continue; fi
    if [ -e "$file" ] || [ -L "$file" ]; then mv "$file" trees/root/ || return 1; fi
  done
  set -f
  # What the executor removed of the image's own is marked by devices 0,0. One that stays, in a directory closed to us, is no output.
  find trees -type c -exec rm -f {} + 2>/dev/null
  # Only to make room; `lay_trees` looks whether it has gone.
  rm -rf layer || :
}
take_tree() { # TREE NAME PARENT_SEGMENT...
  tree=$1
  last=$2
  shift 2
  found=layer/upper
  for segment; do
    found=$found/$segment
    if [ -L "$found" ] || [ ! -d "$found" ]; then mkdir -m 777 "trees/$tree"; return; fi
  done
  if [ -d "$found/$last" ] && [ ! -L "$found/$last" ]; then mv "$found/$last" "trees/$tree"; else mkdir -m 777 "trees/$tree"; fi
}

# 255 is the program's own, unless apptainer says FATAL last and nothing was written: then it could not start it.
after_executor() { # INDEX CODE
  if [ "$OVERLAY" = 1 ]; then take_trees 2>"streams/$1.engine" || { blame files "$1"; return 1; }; fi
  if [ "$2" -ne 255 ] || [ -s "streams/$1.stdout" ]; then return 0; fi
  words=
  while read -r line; do words=$line; done <"streams/$1.stderr"
  case $words in
    'FATAL: '*'executable file not found'* | 'FATAL: '*' stat '*'no such file or directory') code=127 ;;
    'FATAL: '*' permission denied' | 'FATAL: '*'exec format error'*) code=126 ;;
    'FATAL: '*) return 1 ;;
  esac
}
