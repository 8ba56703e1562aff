#!/bin/sh
# A program of the system that the job script uses; what goes wrong stands in `$FAKE/tool-NAME`.
tool=${0##*/}
[ ! -e "$FAKE/tool-$tool" ] || . "$FAKE/tool-$tool"
PATH=${PATH#*:} exec "$tool" "$@"
