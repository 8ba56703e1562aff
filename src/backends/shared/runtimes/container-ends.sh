# What became of the container of an executor: whose fault it was, and whether its streams are whole. Needs containers.sh.

# It ends with 1 when there is no program to start, and says this alone.
code_of_catatonit() { # INDEX
  read -r line <"streams/$1.stderr" || return 0
  case $line in
    'ERROR (catatonit:'*'): failed to exec pid1: No such file or directory') code=127 ;;
    'ERROR (catatonit:'*'): failed to exec pid1: '*) code=126 ;;
  esac
}

# What became of an executor, by what the engine says of its container: the code of its command tells of the command. Sets `code`; `ran` is empty
# when its program never started. Fails, with a note, when that was not the program's doing.
#   a limit or a cancel has ended it    the container's code, or one of a signal; at a limit it is waited for
#   exited N, and the command said N    the program's, unless docker has ended it, or has been started again since (N above 128)
#   exited, and the command says else   the command failed, or was killed: what it had to write is cut short
#   created, 126 or 127, without init   the program is missing or cannot be executed: docker says so of the container, podman's command of itself
#   created, anything else              the engine could not start it; an init starts the program, and says itself that it cannot
#   running                             the command, or podman's watcher of the container, was killed
#   unknown                             the engine does not answer, or never made it
judge() { # INDEX CODE
  ask_state
  if [ ! -e "$MARK" ] && [ -e timeout ]; then await_container || { fault lingering "$1"; return 1; }; fi
  if [ -e "$MARK" ] || [ -e timeout ]; then
    case $status in
      exited | stopped) code=$ended ;;
      *) ran= && [ "$code" -gt 128 ] || code=143 ;;
    esac
    return 0
  fi
  [ -z "$words" ] || printf '%s\n' "$words" >"streams/$1.engine"
  case $status in
    exited | stopped)
      [ "$ended" = "$2" ] || { blame client "$1"; return 1; }
      [ "$2" -ne 1 ] || [ -s "streams/$1.stdout" ] || code_of_catatonit "$1"
      if [ "$2" -eq 137 ] && [ "$oom" = true ]; then note oom "$1"
      elif [ "$ENGINE" = docker ] && [ "$2" -gt 128 ]; then died_alone || { blame outside "$1"; return 1; }
      fi
      ;;
    created | configured | initialized)
      ran=
      [ "$ENGINE" = docker ] || ended=$(code_of_podman "$1" "$2")
      case $ended in
        126 | 127) if may_have_init; then fault start "$1"; else code=$ended; fi ;;
        *) fault start "$1" ;;
      esac
      ;;
    running) blame unwatched "$1" ;;
    *) fault start "$1" ;;
  esac
}

# Or the engine does not answer.
may_have_init() {
  case $(engine inspect --type container --format '{{.HostConfig.Init}}' "$name" 2>/dev/null) in
    true | '') ;;
    *) return 1 ;;
  esac
}

ask_state() {
  state=$(engine inspect --type container --format '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}' "$name" 2>/dev/null) || state=
  status= ended= oom= words=
  read -r status ended oom words <<X
$state
X
}

# At its time limit the command may have been ended before the container. What still runs could write into what is stored, or put a link in the
# way; so may what the engine does not tell of.
await_container() {
  tries=0
  while :; do
    case $status in
      '') return 1 ;;
      running | paused | stopping | restarting | unknown) ;;
      *) return 0 ;;
    esac
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || return 1
    # It may just have ended.
    engine kill "$name" >/dev/null 2>&1
    sleep 0.1
    ask_state
  done
}

# A daemon that is stopped ends its containers, and whoever asks what became of one waits at its socket for the next daemon. It remembers what it
# has done to a container, as long as it runs: a program that ended by a signal of its own died, and nobody had it killed.
died_alone() {
  seen=$(engine events --since 0 --until "$(($(date +%s) + 1))" --filter "container=$name" --format '{{.Action}}' 2>/dev/null)
  case "
$seen
" in
    *'
kill
'*) return 1 ;;
    *'
die
'*) return 0 ;;
  esac
  return 1
}

# Its `start` says 125 of everything; the words are podman's own.
code_of_podman() { # INDEX CODE
  if [ "$2" -eq 125 ]; then
    while read -r line; do
      case $line in
        *'OCI runtime attempted to invoke a command that was not found'*) echo 127 ;;
        *': OCI permission denied'*) echo 126 ;;
      esac
    done <"streams/$1.stderr"
  else
    echo "$2"
  fi
}

# Some clients leave the program to the image, which TES does not know.
name_entrypoint() { # INDEX
  # Only a line in a log: without an answer there is none.
  entrypoint=$(engine image inspect --format '{{json .Config.Entrypoint}}' "$image" 2>/dev/null)
  case $entrypoint in
    '' | null | '[]') ;;
    *) note entrypoint "$(printf '%s %.500s' "$1" "$entrypoint")" ;;
  esac
}

# podman's command may miss the last of what was written by a program that has not read all of its stdin. Where there is a stdin podman's watcher
# of the container keeps its own account, which has every byte.
complete_streams() { # INDEX
  [ "$ENGINE" = podman ] && [ "$stdin" != /dev/null ] || return 0
  watch_copy
  if "merged_$1"; then
    complete_stream "$1" stdout logged_both || return 1
  else
    complete_stream "$1" stdout logged_stdout && complete_stream "$1" stderr logged_stderr || return 1
  fi
  # Only to make room.
  rm -f "streams/$1.log" || :
}
complete_stream() { # INDEX STREAM FUNCTION
  told=$({ { "$3" || echo failed >&4; } | wc -c; } 4>&1)
  case $told in *failed*) fault copy "$1" || return 1 ;; esac
  [ "$((told))" -gt "$(($(wc -c <"streams/$1.$2")))" ] || return 0
  "$3" >completing && mv -f completing "streams/$1.$2" && return
  blame stream "$1"
}
# Its own warnings are not the program's.
logged() { podman --log-level=fatal logs "$name"; }
logged_stdout() { logged 2>/dev/null; }
# shellcheck disable=SC2069
logged_stderr() { logged 2>&1 >/dev/null; }
logged_both() { logged 2>&1; }
