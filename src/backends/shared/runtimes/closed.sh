# What others may not read of the machine's own directories, a line each: root could read it in a sandbox that shows them. Of directories the
# topmost; for a name with a line break its directory is named, and where there are too many so it is for all.
list_closed() { # DIRECTORY...
  # What vanishes meanwhile makes find fail; what it cannot enter, root cannot read there either.
  find "$@" \( -type d ! -perm -005 -o -type f ! -perm -004 \) -prune \( -name '*
*' -printf '%h\n' -o -printf '%p\n' \) 2>/dev/null | awk '
    { path[$0] = 1 }
    END {
      for (;;) {
        count = 0
        for (each in path) count++
        if (count <= 200) break
        split("", above)
        for (each in path) { sub(/\/[^\/]*$/, "", each); above[each] = 1 }
        split("", path)
        for (each in above) path[each] = 1
      }
      for (each in path) {
        for (above_it = each; sub(/\/[^\/]*$/, "", above_it) && !(above_it in path); );
        if (above_it == "") print each
      }
    }'
}
