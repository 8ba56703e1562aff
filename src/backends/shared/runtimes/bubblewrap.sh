# Runtime part: bubblewrap. The kernel ends the whole tree with its first process (--die-with-parent, own pid namespace).
# ETC is where the copy of /etc is, CLOSED the list of what root must not see; ALONE=1 where no gateway keeps both, and the job itself does.
PIPED=1
nice=/usr/bin/nice
[ -x "$nice" ] || nice=/bin/nice

before_executor() { # INDEX
  [ "$1" -eq 0 ] || return 0
  if [ "$ALONE" = 1 ]; then watch_copy && copy_etc && look_through || blame files "$1" || return 1; fi
  [ "$ROOT" = 0 ] || hide_closed "$1"
}
ready_executor() { :; }
has_begun() { :; }

# As `HostEtc` does it: what everybody may read; a name that is a link is what it leads to, links below stay links.
copy_etc() {
  rm -rf "$ETC" && mkdir -m 755 "$ETC" || return 1
  files=
  for name in $ETC_NAMES; do
    if [ -d "/etc/$name" ]; then
      mkdir -m 755 "$ETC/$name" && copy_public "/etc/$name" "$ETC/$name" || return 1
    elif [ -f "/etc/$name" ]; then
      files="$files /etc/$name"
    fi
  done
  # shellcheck disable=SC2086
  [ -z "$files" ] || find -L $files -maxdepth 0 -perm -004 -exec cp -t "$ETC" -- {} + || return 1
  # Mounted live, over these.
  for name in $ETC_LIVE; do true >"$ETC/$name" || return 1; done
}
copy_public() { # DIRECTORY TARGET
  trouble=$({
    (cd "$1" && find . \( -type d ! -perm -005 -prune \) -o \( -type d -o -type l -o -type f -perm -004 \) -print0) \
      | { tar -C "$1" --null --no-recursion -T - -cf - || echo tar >&4; } | tar -C "$2" --no-same-owner -xf - || echo tar >&4
  } 4>&1)
  [ -z "$trouble" ]
}

# Once in ten minutes, by whichever job comes then.
look_through() {
  if [ "$ROOT" = 0 ] || [ -n "$(find "$CLOSED" -mmin -10 2>/dev/null)" ]; then return 0; fi
  # shellcheck disable=SC2086
  mkdir -p "${CLOSED%/*}" && list_closed $MACHINE >"$CLOSED.$JOB" && mv "$CLOSED.$JOB" "$CLOSED"
}

# What is on the list, is not covered by something of the job's, and is there still. Beside a tree everything of such a directory would be shown.
hide_closed() { # INDEX
  found=
  while IFS= read -r path; do
    if is_opened "$path"; then
      found=1
    elif is_covered "$path"; then
      continue
    elif [ -d "$path" ]; then
      printf '%s\0' --tmpfs "$path" --remount-ro "$path" || found=2
    elif [ -e "$path" ]; then
      printf '%s\0' --ro-bind /dev/null "$path" || found=2
    fi
  done <"$CLOSED" >closed || found=2
  case $found in
    '') ;;
    1) note closed "$1" && return 1 ;;
    *) blame files "$1" ;;
  esac
}

# bwrap ends with the program; what that has left is ended by the kernel, after bwrap's first process. The ordinary program leaves nothing:
# then the first process has no children, and its own end, which takes a while, is not waited for.
may_leave() { # INDEX CODE
  line= children=
  { read -r line <"streams/$1.evidence"; } 2>/dev/null
  case $line in *'"child-pid": '[0-9]*) ;; *) return 1 ;; esac
  first_pid=${line#*'"child-pid": '}
  first_pid=${first_pid%%[!0-9]*}
  # With its first process the whole namespace has gone.
  [ -e "/proc/$first_pid" ] || return 1
  # Not in every kernel. A program that got hold of the first process could give it threads.
  [ -e "/proc/$first_pid/task/$first_pid/children" ] || return 0
  children_of "$first_pid"
  [ -n "$children" ]
}
# In the script's own process namespace the number is another's by now.
# shellcheck disable=SC3013
left_behind() { [ "/proc/$first_pid/ns/pid" -ef "/proc/$$/ns/pid" ] || offspring members "$first_pid" ''; }

# What `nice` says of a program that it cannot start, as a message of that program: the task named no `nice`. `program` is the plan's.
name_program() { # INDEX
  said=streams/$1.stderr line=
  if "merged_$1"; then said=streams/$1.stdout; fi
  { read -r line && ! read -r rest; } <"$said" || return 0
  case $line in "$nice: "*"$program"*': '*) ;; *) return 0 ;; esac
  printf '%s: %s\n' "$program" "${line##*: }" >"$said" || blame stream "$1"
}

# bwrap writes an exit code only when the program was started and has ended; without one, it failed itself.
after_executor() { # INDEX CODE
  ended=1
  while read -r line; do
    case $line in *'"exit-code"'*) ended=0 ;; esac
  done <"streams/$1.evidence"
  drop_skeleton
  case $2 in 126 | 127) name_program "$1" || return 1 ;; esac
  # Killed from outside bwrap had no time to write: by the time limit, a cancel, a memory limit, or by somebody.
  if [ "$ended" -ne 0 ] && [ "$2" -ge 128 ]; then
    ended=0
    if [ ! -e "$MARK" ] && [ ! -e timeout ]; then note killed "$1"; fi
  fi
  return $ended
}
