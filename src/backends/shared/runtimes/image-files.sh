# Image files and directories of this machine, for the runtimes that use images.
identity=

# Opens one as descriptor 3, if it lies below one of the directories. Only where the descriptor really lies counts, and everything is read
# through it: whoever may rename or link something on the way there cannot make another file of it.
open_image() { # PATH DIRECTORY...
  [ -f "$1" ] || [ -d "$1" ] || return 1
  command exec 3<"$1" || return 1
  # Whatever came in its place meanwhile: a device is no image.
  [ -f /proc/self/fd/3 ] || [ -d /proc/self/fd/3 ] || return 1
  opened=$(readlink /proc/self/fd/3) || return 1
  shift
  for place; do
    place=$(readlink -f -- "$place") || continue
    case $opened in "${place%/}"/*) return 0 ;; esac
  done
  return 1
}

# What is open, and in which state: nobody can set the time of the last change (the last one).
identity_of_image() { identity=$(stat -L -c '%d.%i.%s.%.9Y.%.9Z' /proc/self/fd/3); }

# Before a copy is looked for: one that nobody has used for long is removed (forget-images.sh). A job that looks at that very moment
# finds none, and is tried again.
note_use() { # INDEX
  mkdir -p "$IMAGES" && true >"$IMAGES/$identity.used" || blame files "$1"
}

# What was made of it is what it was when it was opened.
is_unchanged() { # INDEX
  [ -n "$identity" ] || return 0
  before=$identity
  identity_of_image && [ "$identity" = "$before" ] && return
  echo 'the image file was changed while it was read' >"streams/$1.engine"
  blame pull "$1"
}
