#!/bin/sh
# guardian: waits for the end of a run, then ends what is left of it and removes its directory.
#
# stdin is a pipe that only the run holds open: it ends when the run does, kill -9 included. What belongs to
# the run has ROLLCALL_RUN=DIRECTORY in its environment.
#
# usage: sh -c GUARDIAN guardian DIRECTORY [PARENT]     (PARENT goes too if it is empty then)
# needs: /proc; grep, cut, sleep
# No `set -e`: if a command fails, the rest of the clean-up must still run.
set -u
trap '' INT TERM HUP
cat >/dev/null

# SIGTERM first: a HAProxy master ends its workers. After a second SIGKILL, again and again: what was killed may
# just have started something.
signal=TERM
round=0
while [ "$round" -lt 100 ]; do
    left=$(grep -lzxF "ROLLCALL_RUN=$1" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3)
    [ -n "$left" ] || break
    [ "$round" -lt 20 ] || signal=KILL
    if [ "$round" -eq 0 ] || [ "$signal" = KILL ]; then
        # shellcheck disable=SC2086 # a list of process ids
        kill -s "$signal" $left 2>/dev/null
    fi
    sleep 0.05
    round=$((round + 1))
done
[ -n "${ROLLCALL_KEEP:-}" ] || rm -rf -- "$1"
[ -z "${2:-}" ] || rmdir -- "$2" 2>/dev/null
:
