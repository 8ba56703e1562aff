# What job scripts made of image files, and learnt of images, and no job has used for a week; it is made again when one needs it. Images that came
# from registries stay, as those of the engines do: what a name means there may have changed since. Fails where something could not be
# removed; what a container needs stays, and goes later.
# IDENTITY.used says when a copy was last used: of an engine a name, else the file IDENTITY.sif (image-files.sh).
forget_images() { # DIRECTORY "ENGINE..."
  [ -d "$1" ] || return 0
  forgotten=0
  # shellcheck disable=SC2016
  find "$1" -mindepth 2 -maxdepth 2 -name '*.used' -mtime +6 -exec sh -c '
    engines=$1 code=0
    shift
    for used; do
      # Those before it may have taken minutes: a job may have taken it up.
      [ -n "$(find "$used" -mtime +6)" ] || continue
      copy=${used%.used} runtime=${used%/*}
      runtime=${runtime##*/}
      case " $engines " in
        *" $runtime "*)
          # Fails also when it has gone already: what is there then counts.
          timeout -k 2 120 "$runtime" rmi "localhost/tes-gateway-file:${copy##*/}" >/dev/null 2>&1
          left=$(timeout -k 2 30 "$runtime" images -q "localhost/tes-gateway-file:${copy##*/}") || { code=1 && continue; }
          [ -z "$left" ] || continue
          ;;
        *) rm -f "$copy.sif" || { code=1 && continue; } ;;
      esac
      rm -f "$used" || code=1
    done
    exit "$code"' sh "$2" {} + || forgotten=1
  # Of a job that was killed while it made one.
  find "$1" -mindepth 2 -maxdepth 2 -name '*.sif.tes-*' -mtime +0 -delete || forgotten=1
  # What was learnt of one image: a script that finds nothing looks again.
  find "$1" -mindepth 3 -type f -mtime +6 -delete || forgotten=1
  return "$forgotten"
}
