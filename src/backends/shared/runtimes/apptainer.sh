# Runtime part: apptainer. IMAGES holds SIF files made from registries and archives; OVERLAY=1 where a writable layer over the
# image works: then trees lie in that layer, so that what the image has in the same directory stays visible.
PIPED=1

before_executor() { # INDEX
  # Fetching an image has a limit of its own; the task's begins with its first executor.
  [ "$1" -gt 0 ] || watch_time 3600
  "image_$1"
}
ready_executor() { [ "$OVERLAY" = 0 ] || lay_trees; }

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
  mkdir -p "$IMAGES" || return 1
  made=$image.$JOB
  if ! apptainer -q build --force "$made" "$3" >/dev/null 2>"streams/$1.engine"; then
    rm -f "$made"
    note pull "$1"
    return 1
  fi
  mv "$made" "$image"
}

# A root file system as a plain tar file.
unpack_image() { # INDEX FILE SOURCE
  image=$IMAGES/$2
  [ ! -e "$image" ] || return 0
  if make_image "$1" "$2" "docker-archive:$3" missing; then return 0; fi
  mkdir -p "$IMAGES" unpacked && tar -xf "$3" -C unpacked 2>>"streams/$1.engine" && make_image "$1" "$2" unpacked missing
  code=$?
  rm -rf unpacked
  return $code
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
  each_tree take_tree
  set +f
  for file in layer/upper/* layer/upper/.[!.]*; do
    if [ -c "$file" ]; then continue; fi
    if [ -e "$file" ] || [ -L "$file" ]; then mv "$file" trees/root/; fi
  done
  set -f
  # What the executor removed of the image's own is marked by devices 0,0.
  find trees -type c -exec rm -f {} + 2>/dev/null
  rm -rf layer
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
  if [ "$OVERLAY" = 1 ]; then take_trees; fi
  if [ "$2" -ne 255 ] || [ -s "streams/$1.stdout" ]; then return 0; fi
  words=
  while read -r line; do words=$line; done <"streams/$1.stderr"
  case $words in
    'FATAL: '*'executable file not found'* | 'FATAL: '*' stat '*'no such file or directory') code=127 ;;
    'FATAL: '*' permission denied' | 'FATAL: '*'exec format error'*) code=126 ;;
    'FATAL: '*) return 1 ;;
  esac
}
