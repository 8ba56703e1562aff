# Starts job scripts for the gateway: a fork of this small shell costs a twentieth of one of the gateway, whose page tables would be
# copied each time. Lives as long as its standard input is open; what it has started lives on.
# In:  start ID NAME, then a line with the script, then one with its workspace · reap PID
# Out: started ID PID · ended ID
# A session for each job: a program that signals its whole group must not reach the others.
while read -r order id name; do
  case $order in
    start)
      read -r script && read -r directory || exit 0
      {
        TES_GATEWAY_JOB=$name setsid sh "$script" "$directory" </dev/null >/dev/null 2>&1
        echo "ended $id"
      } &
      echo "started $id $!"
      ;;
    # It has ended. Without this the shell would remember it for ever.
    reap) wait "$id" ;;
  esac
done
