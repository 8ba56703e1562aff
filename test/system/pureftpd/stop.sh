#!/bin/sh
# Ends the FTP server of a directory by its pid, sessions included: stop.sh DIR. Files stay.
set -eu
. "$(dirname "$0")/../common.sh"

lock_directory "$@"

pid=$(cat "$dir/pureftpd.pid" 2>/dev/null || true)
case $(readlink "/proc/${pid:-none}/exe" 2>/dev/null || true) in
*/pure-ftpd*)
  end_process "$pid" 10
  # Each connection has processes, which live on.
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    # shellcheck disable=SC2086
    set -- ${line##*) }
    [ "$4" != "$pid" ] || end_process "$(basename "$(dirname "$stat")")" 1
  done
  ;;
esac
rm -f "$dir/pureftpd.pid"
