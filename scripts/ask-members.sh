#!/bin/sh
# ask-serf.sh: asks Serf for its members, and reports why it could not be asked.
#
# usage: . "$here/ask-serf.sh"    by a script that has sourced settings.sh and lock.sh, and has the functions fault and
#        failed
# needs: settings.sh and report.sh beside it; serf, timeout, head, tail
# shellcheck disable=SC2034,SC2154 # the variables are for or from the script that sources this

members=$state/members
# What Serf printed to stderr.
complaint=$state/serf-errors

# start_serf: asks Serf in the background, at most $limit seconds.
start_serf() {
    set_uptime
    began=$uptime
    # It only reads, so it can be killed at once; -k is missing in older BusyBoxes.
    timeout -s KILL "$limit" serf members -format=json >"$members" 2>"$complaint" </dev/null 9>&- &
    serf=$!
}

# set_uptime: the whole seconds since the machine started, without a process.
set_uptime() { read -r uptime </proc/uptime && uptime=${uptime%%.*} || uptime=0; }

# heed_serf CODE: reports if serf could not be asked. What it printed to stdout, member-join shows.
heed_serf() {
    [ "$1" -ge 124 ] || [ ! -s "$members" ] || return 0
    can_list=
    whole=
    set_uptime
    case $1 in
    0) heed_empty ;;
    # Also what a process returns that something else has killed.
    137) if [ $((uptime - began)) -lt "$limit" ]; then serf_ended "signal 9 ended it"; else serf_is_slow; fi ;;
    124) serf_is_slow ;;
    12[5-7]) cannot_run_timeout "$1" serf && failed 1 ;;
    *) serf_ended "it ended with exit code $1" ;;
    esac
}

serf_is_slow() { fault 1 "cannot ask 'serf': it did not answer within $limit s"; }

# serf_ended HOW: reports it with the first line that serf printed to stderr.
serf_ended() {
    complained=
    IFS= read -r complained <"$complaint" || :
    case $complained in *[![:print:]]*) complained= ;; esac
    [ -z "$complained" ] || complained="; it printed '$complained'"
    fault 1 "cannot ask 'serf': $1$complained"
}

# heed_empty: reports why Serf's output is empty.
heed_empty() {
    if { printf '%s' "$PATH" >"$members" && true >"$members"; } 2>/dev/null; then
        fault 1 "cannot ask 'serf': it printed nothing"
    else
        cut_off
    fi
}

cut_off() { fault 4 "cannot write '$members': it contains only part of Serf's output (is the disk full?)"; }

# is_cut_off FILE: whether it holds only the beginning of a JSON object, or nothing. Serf does not report a full disk.
is_cut_off() {
    begin=$(head -c 1 "$1") && end=$(tail -c 2 "$1") || return 1
    case $begin$end in "{"*"}" | [!"{"]*) return 1 ;; esac
}

# empty_file FILE: creates or empties it.
empty_file() {
    if ! is_plain "$1"; then
        fault 4 "cannot write '$1': it is not a regular file; remove it"
    elif ! { make_file "$1" && true >"$1"; }; then
        fault 4 "cannot write '$1'"
    else
        return 0
    fi
    can_list=
    whole=
}
