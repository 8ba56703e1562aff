# Whether apptainer can put a writable layer over an image here, which root, and some users, can have. Needs an empty working directory.

# With these a layer of root's holds zeros for a file of the image whose mode was changed, and nothing below a directory that was renamed.
layers_are_whole() { # DIRECTORY
  for option in metacopy redirect_dir; do
    on=
    { read -r on <"$1/$option"; } 2>/dev/null
    [ "$on" != Y ] || return 1
  done
}

# With an empty image: the program is missing in any case, what counts is whether the layer is the complaint.
try_overlay() {
  if [ "$(id -u)" = 0 ] && ! layers_are_whole /sys/module/overlay/parameters; then echo no && return; fi
  mkdir -p image/bin image/tmp image/proc image/sys image/dev image/etc layer/upper layer/work
  case $(apptainer exec --containall --no-home --overlay "$PWD/layer" "$PWD/image" /none 2>&1) in
    *[Oo]verlay*) echo no ;;
    */none*) echo yes ;;
    *) echo no ;;
  esac
}
