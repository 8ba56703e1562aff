# Around errand.sh, where no interface for files carries an errand's answer: it is told in base64, as a file that Pulsar puts into its last
# update, under the worker's time. Adds what the interface does elsewhere. Called as `sh SCRIPT VERB ARGUMENTS`, after EARLIER was set.
set -u
result=../metadata/answer
# Of all files read at once; what would go beyond comes with the next errand.
left=4194304

# Of each a line with its length, none or later; then its bytes.
read_files() { # (JOB NAME MOST)...
  while [ $# -ge 3 ]; do
    if [ -f "../../$1/metadata/$2" ] && head -c "$(($3 + 1))" "../../$1/metadata/$2" >part 2>/dev/null; then
      size=$(($(wc -c <part)))
      if [ "$left" -lt 4194304 ] && [ "$size" -gt "$left" ]; then
        echo later
      else
        echo "$size"
        cat part
        left=$((left - size))
      fi
    else
      echo none
    fi
    shift 3
  done
}

read_part() { # JOB NAME OFFSET MOST
  [ -f "../../$1/metadata/$2" ] || return 0
  tail -c "+$(($3 + 1))" "../../$1/metadata/$2" | head -c "$4"
}

# Each appears whole, by rename, in this order. The job itself may be laying the same file at this moment.
write_files() { # JOB (NAME BASE64)...
  place=../../$1/metadata
  shift
  while [ $# -ge 2 ]; do
    mkdir -p "$(dirname "$place/$1")" && printf %s "$2" | base64 -d >"$place/$1.$$" && mv "$place/$1.$$" "$place/$1" || return 1
    shift 2
  done
  echo written
}

case $1 in
  read) shift && read_files "$@" >$result ;;
  part) shift && read_part "$@" >$result ;;
  write) shift && write_files "$@" >$result ;;
  *) sh ../tool_files/job.sh "$@" ;;
esac
{
  date +%s
  if [ -e $result ]; then base64 -w 0 <$result; else echo none; fi
} >answer.new
mv answer.new answer
for errand in $EARLIER; do rm -rf "../../$errand"; done
exit 0
