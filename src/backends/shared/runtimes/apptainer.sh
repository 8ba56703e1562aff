# Runtime part: apptainer. IMAGES holds SIF files made from registries and archives; OVERLAY=1 where a writable layer over the
# image works: then trees lie in that layer, so that what the image has in the same directory stays visible.
PIPED=1

before_executor() { "image_$1" && end_watch; } # INDEX

# Where it ends by itself it has waited for the last process. Where it was killed the kernel ends these, by and by: whoever has a mount of this job.
may_leave() { [ "$2" -gt 128 ]; } # INDEX CODE
left_behind() {
  if grep -qsF "/$JOB/" "/proc/$$/mountinfo"; then return; fi
  holding mountinfo -lsF "/$JOB/" || return 1
  mounting=
  for file in $found; do
    file=${file#/proc/}
    [ "$file" = self/cmdline ] || mounting="$mounting ${file%/mountinfo}"
  done
  [ -z "$mounting" ] || offspring members "$mounting" ''
}
ready_executor() { [ "$OVERLAY" = 0 ] || lay_trees || blame files "$1"; } # INDEX

has_begun() { :; }

# An image file of this machine (see image-files.sh). OWN=1: the settings name it, and with it the way to it.
use_image() { # INDEX OWN
  watch_fetch
  image=$(bring_image "$@") || { [ $? -le 128 ] || blame pull "$1"; return 1; }
}

# In a shell of its own, which holds the descriptor. Prints a path that means what is open, whatever is renamed meanwhile: apptainer goes by paths.
bring_image() { # INDEX OWN
  "open_$1" 2>"streams/$1.engine" && identity_of_image || { note noimage "$1"; return 1; }
  if [ -e /proc/self/fd/3/oci-layout ] || is_archive; then
    make_opened "$1" || return 1
  elif [ "$2" = 1 ] || { [ "$ROOT" = 0 ] && is_firm "$opened"; }; then
    image=$opened
  elif [ "$ROOT" = 1 ]; then
    # Only a place: `enter` mounts it there.
    image=$PWD/image
    rm -rf image && if [ -d /proc/self/fd/3 ]; then mkdir image; else true >image; fi || blame files "$1" || return 1
  elif [ -d /proc/self/fd/3 ]; then
    echo 'others could replace this directory meanwhile: a gateway that is not root takes an image file there, or a directory that only root can change' >"streams/$1.engine"
    note noimage "$1"
    return 1
  else
    copy_opened "$1" || return 1
  fi
  echo "$image"
}

# By its first bytes: a tar, or compressed.
is_archive() {
  [ -f /proc/self/fd/3 ] || return 1
  case $(od -An -v -tx1 -N 262 /proc/self/fd/3 | tr -d ' \n') in
    1f8b* | 425a68* | fd377a585a* | 28b52ffd* | *7573746172) ;;
    *) return 1 ;;
  esac
}

# Whether the way to what is open can be changed by nobody but root. A read-only file system counts as a whole.
is_firm() { # REAL_PATH
  way=$1
  while read -r key mount; do [ "$key" != mnt_id: ] || break; done </proc/self/fdinfo/3
  while read -r number parent device inner point rest; do
    [ "$number" = "$mount" ] || continue
    case ${rest##* } in ro | ro,*) way=$point ;; esac
  done </proc/self/mountinfo
  while [ -n "$way" ]; do
    way=${way%/*}
    case $(stat -c '%u %a' -- "${way:-/}") in '0 '*[0145][0145]) ;; *) return 1 ;; esac
  done
}

# Where an image of ours is made of it, under a name that stands for its present content.
make_opened() { # INDEX
  image=$IMAGES/$identity.sif
  note_use "$1" || return 1
  [ ! -e "$image" ] || return 0
  if [ -d /proc/self/fd/3 ]; then
    tar -C /proc/self/fd/3 -cf packed . 2>"streams/$1.engine" || blame pull "$1" || return 1
    kind=oci-archive:packed
  else
    case $(tar -tf /proc/self/fd/3 2>/dev/null | grep -xE '(\./)?(manifest|index)\.json') in
      *manifest.json*) kind=docker-archive:/proc/self/fd/3 ;;
      *index.json*) kind=oci-archive:/proc/self/fd/3 ;;
      *)
        mkdir -p unpacked && tar -xf /proc/self/fd/3 -C unpacked 2>"streams/$1.engine" || blame pull "$1" || return 1
        kind=unpacked
        ;;
    esac
  fi
  make_image "$1" "$identity.sif" "$kind" missing || return 1
  # Only to make room.
  rm -rf packed unpacked || :
}

copy_opened() { # INDEX
  image=$IMAGES/$identity.sif
  note_use "$1" || return 1
  [ ! -e "$image" ] || return 0
  cp --reflink=auto /proc/self/fd/3 "$image.$JOB" 2>"streams/$1.engine" && is_unchanged "$1" && mv "$image.$JOB" "$image" && return
  blame pull "$1"
  # Only to make room.
  rm -f "$image.$JOB"
  return 1
}

# Ends in the command. What is held by its descriptor is mounted in a mount table of the command's own, and let go of: in a container the
# descriptor of a directory would be a way out. A descriptor cannot be mounted in another table than the one it was opened in.
enter() { # INDEX WORD...
  opener=open_$1 begun=streams/$1.begun
  shift
  # What a shell says of a missing program would be taken for the task's own.
  command -v "$1" >/dev/null || exit
  [ "$image" = "$PWD/image" ] || { true >"$begun" && exec "$@"; }
  "$opener" && exec unshare -m --propagation slave sh -c '
    [ "$1" -ef /proc/self/fd/3 ] && command exec 4<"$1" && [ /proc/self/fd/4 -ef /proc/self/fd/3 ] \
      && mount -c --bind /proc/self/fd/4 image && exec 3<&- 4<&- && true >"$2" && shift 2 && exec "$@"
    echo "the image was replaced while it was opened" >&2
    exit 255' sh "$opened" "$begun" "$@"
  echo 'the image file is not where it was' >&2
  exit 255
}

# Made aside and renamed: two jobs may make the same one at once. `identity` is empty where it comes from a registry.
# OWN_FILE is that of an owner whose login would bring it: what is here for all is for that owner, too.
make_image() { # INDEX FILE SOURCE PULL [OWN_FILE]
  for file in "$2" "${5:-$2}"; do
    image=$IMAGES/$file
    if [ -e "$image" ] && [ "$4" != always ]; then return 0; fi
  done
  if [ "$4" = never ]; then note noimage "$1"; return 1; fi
  [ -n "$watch" ] || watch_fetch
  mkdir -p "$IMAGES" || { blame files "$1"; return 1; }
  made=$image.$JOB
  if ! { build_image "$made" "$3" 2>"streams/$1.engine" && is_unchanged "$1" && mv "$made" "$image"; }; then
    blame pull "$1"
    # Only to make room.
    rm -f "$made"
    return 1
  fi
}

# Its build reads no variable for the file of logins. That of the owner only the gateway's user can read.
build_image() { # FILE SOURCE
  logins=${APPTAINER_AUTHFILE:-}
  [ ! -e plan/config.json ] || logins=plan/config.json
  apptainer -q build --force ${logins:+"--authfile=$logins"} "$@" >/dev/null
}

# Trees move into a fresh layer before an executor and back after it: renames on one disk.
lay_trees() {
  rm -rf layer && mkdir -p layer/work layer/upper && chmod 755 layer layer/upper || return 1
  set +f
  for file in trees/root/* trees/root/.[!.]* trees/root/..?*; do
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
  for file in layer/upper/* layer/upper/.[!.]* layer/upper/..?*; do
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

# Until apptainer itself has begun no code is a program's. Then 255 is, unless apptainer's are the only words, and FATAL the last of them: it
# could not start the program. Its own process ends by a signal when that, or the first one in the container, was killed, never because the program was.
after_executor() { # INDEX CODE
  if [ ! -e "$MARK" ] && [ ! -e timeout ]; then
    [ -e "streams/$1.begun" ] || return 1
    [ ! -s signalled ] || note killed "$1"
  fi
  if [ "$OVERLAY" = 1 ]; then take_trees 2>"streams/$1.engine" || { blame files "$1"; return 1; }; fi
  [ "$2" -eq 255 ] || return 0
  said=streams/$1.stderr
  if "merged_$1"; then said=streams/$1.stdout; elif [ -s "streams/$1.stdout" ]; then return 0; fi
  words= first_words=
  while read -r line; do
    [ -n "$first_words" ] || first_words=$line
    case $first_words in '' | 'INFO:    '* | 'WARNING: '* | 'ERROR:   '* | 'FATAL:   '*) ;; *) return 0 ;; esac
    case $line in 'FATAL:   '*) words=$line ;; esac
  done <"$said"
  # Without a word of a program's, a cancel ended apptainer before that began: with 255, where others end as TERM ends them.
  if [ -e "$MARK" ]; then code=143; return 0; fi
  case $words in
    *'executable file not found'* | *' stat '*'no such file or directory') code=127 ;;
    *'permission denied' | *'exec format error'*) code=126 ;;
    ?*) return 1 ;;
  esac
}
