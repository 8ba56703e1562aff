# Read by the scripts beside it (`. common.sh`): where caches lie, how progress is told, and locks.
engines_dir=$(cd "$(dirname "$0")" && while [ ! -f common.sh ]; do cd ..; done && pwd)
cache=${TES_GATEWAY_CACHE:-$HOME/.cache/tes-gateway}

# Progress goes to stderr: stdout belongs to what a script answers.
say() { echo "engines: $*" >&2; }
die() {
  say "$*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# running PID: true while that process exists and is no zombie.
running() {
  { read -r stat <"/proc/${1:-none}/stat"; } 2>/dev/null || return 1
  case ${stat##*) } in Z* | X*) return 1 ;; esac
}

# listens PORT PID: whether that process has the port of 127.0.0.1.
listens() {
  inode=$(awk -v port="$(printf '0100007F:%04X' "$1")" '$2 == port && $4 == "0A" { print $10 }' /proc/net/tcp)
  [ -n "$inode" ] && find "/proc/$2/fd" -lname "socket:\[$inode\]" 2>/dev/null | grep -q .
}

# end_process PID SECONDS: SIGTERM, then SIGKILL when it is still there.
end_process() {
  running "$1" || return 0
  kill "$1" 2>/dev/null || return 0
  tries=$(($2 * 10))
  while running "$1" && [ "$tries" -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
  done
  if running "$1"; then kill -9 "$1" 2>/dev/null || return 0; fi
}

# unmount_below DIR: lets go of every mount a killed daemon left below a directory, deepest first.
unmount_below() {
  awk -v d="$1/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r point; do
    umount -l "$point" 2>/dev/null || true
  done
}

# install_pinned NAME DIRECTORY PROGRAM: sets `bin` to the programs of what DIRECTORY/requirements.txt pins, fetched once from PyPI into an environment of
# its own below the cache. NAME is for whoever reads.
install_pinned() {
  out=$cache/$(basename "$2")
  environment=$out/$(sha256sum "$2/requirements.txt" | cut -c 1-16)
  bin=$environment/bin
  mkdir -p "$out"
  exec 9>"$out/lock"
  flock 9
  [ ! -x "$bin/$3" ] || return 0
  have python3 && python3 -m venv --help >/dev/null 2>&1 || die 'python3 with venv is absent (Debian: python3-venv)'
  say "fetching $1"
  rm -rf "$environment"
  { python3 -m venv "$environment" && "$bin/pip" install -q --disable-pip-version-check --no-deps -r "$2/requirements.txt"; } >"$out/install.log" 2>&1 || {
    tail -n 3 "$out/install.log" >&2
    rm -rf "$environment"
    die "$1 could not be fetched"
  }
}

# lock_directory [--locked] DIR: sets `dir`; no other script works on that server until this one ends. With --locked its caller holds the lock.
lock_directory() {
  if [ "$1" = --locked ]; then
    dir=$2
    return
  fi
  dir=$1
  exec 9>"$dir/lock"
  flock 9
}

# watch_owners ENGINE OWNER: from now on the server in `dir` is stopped when this and all other owners have gone, also one that never gets ready.
# Without an owner it goes on. Its caller has the lock.
watch_owners() {
  [ -n "$2" ] || return 0
  : >"$dir/owners/$2"
  running "$(cat "$dir/watch.pid" 2>/dev/null)" && return
  setsid "$engines_dir/watch.sh" "$engines_dir/$1/stop.sh" "$dir" >/dev/null 2>&1 9>&- </dev/null &
  echo $! >"$dir/watch.pid"
}
