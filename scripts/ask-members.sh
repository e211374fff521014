#!/bin/sh
# ask-members.sh: asks the source of the members for its list, and reports why it could not be asked. It also knows when
# the last list was applied: soon after that, an event of Serf that fits the records needs no list.
#
# usage: . "$here/ask-members.sh"    by a script that has sourced settings.sh and lock.sh, and has the functions fault
#        and failed
# needs: settings.sh, report.sh and consul-members beside it; timeout, head, tail; serf, or the program that is asked
# shellcheck disable=SC2034,SC2154 # the variables are for or from the script that sources this

members=$state/members
# What the source printed to stderr.
complaint=$state/$source-errors
asked=$source
# When the last list was applied, in seconds since the machine started, and `recorded` if it was recorded and no more. It is
# empty while a run works, and after one that failed.
list_note=$state/listed
verdict=$state/verdict
[ -z "${ROLLCALL_MEMBERS_COMMAND:-}" ] || asked=$ROLLCALL_MEMBERS_COMMAND

# begin_list: reads and empties the note. Sets $listed to its time, or to nothing if a list is due.
begin_list() {
    listed=
    recorded=
    set_uptime
    { is_plain "$list_note" && [ -s "$list_note" ]; } || return 0
    read -r listed recorded <"$list_note" && true >"$list_note" || listed=
    [ "$recorded" = "${ROLLCALL_ONLY_RECORD:+recorded}" ] || listed=
    case $listed in '' | 0* | *[!0-9]* | ??????????*) listed= && return ;; esac
    # Without the time since the start, or after another start, it says nothing.
    [ "$uptime" -ge "$listed" ] && [ $((uptime - listed)) -lt "$list_age" ] || listed=
}

# end_list: writes $listed to the note. If that fails, the next run asks for the list.
end_list() {
    is_plain "$list_note" && make_file "$list_note" || return 0
    echo "$listed${ROLLCALL_ONLY_RECORD:+ recorded}" >"$list_note" || :
}

# fits: whether the event that was recorded fits the records. Sets $fit to what it did to them, or to nothing.
fits() {
    read -r fit <"$verdict" || fit=
    case $code$fit in 0unchanged | 0changed) ;; *) fit= && return 1 ;; esac
}

# start_asking: asks in the background, at most $limit seconds.
start_asking() {
    set_uptime
    began=$uptime
    listed=$uptime
    # shellcheck disable=SC2086 # $services is a list of words
    case $source=${ROLLCALL_MEMBERS_COMMAND:-} in
    serf=) set -- serf members -format=json ;;
    consul=) set -- "$here/consul-members" $services ;;
    *) set -- sh -c "$ROLLCALL_MEMBERS_COMMAND" ;;
    esac
    # It only reads, so it can be killed at once; -k is missing in older BusyBoxes.
    timeout -s KILL "$limit" "$@" >"$members" 2>"$complaint" </dev/null 9>&- &
    asking=$!
}

# set_uptime: the whole seconds since the machine started, without a process.
set_uptime() { read -r uptime </proc/uptime && uptime=${uptime%%.*} || uptime=0; }

# heed_answer CODE: reports if the source could not be asked. Serf prints its errors to stdout, and member-join shows
# them. What another program printed before it failed may be a part of a list.
heed_answer() {
    case $source=${ROLLCALL_MEMBERS_COMMAND:+command}=$1 in
    *=0 | serf==*) [ "$1" -ge 124 ] || [ ! -s "$members" ] || return 0 ;;
    esac
    can_list=
    whole=
    set_uptime
    case $1 in
    0) heed_empty ;;
    # Also what a process returns that something else has killed.
    137) if [ $((uptime - began)) -lt "$limit" ]; then asked_ended "signal 9 ended it"; else asked_is_slow; fi ;;
    124) asked_is_slow ;;
    12[5-7]) cannot_ask "$1" ;;
    *) asked_ended "it ended with exit code $1" ;;
    esac
}

# cannot_ask CODE: the program is missing, or cannot be run. A command of a setting may be any shell command.
cannot_ask() {
    if [ -n "${ROLLCALL_MEMBERS_COMMAND:-}" ] && command -v timeout >/dev/null; then
        asked_ended "it ended with exit code $1"
    else
        cannot_run_timeout "$1" "$source" && failed 1
    fi
}

asked_is_slow() { fault 1 "cannot ask '$asked': it did not answer within $limit s"; }

# asked_ended HOW: reports it with the first line that was printed to stderr.
asked_ended() {
    complained=
    IFS= read -r complained <"$complaint" || :
    case $complained in *[![:print:]]*) complained= ;; esac
    [ -z "$complained" ] || complained="; it printed '$complained'"
    fault 1 "cannot ask '$asked': $1$complained"
}

# heed_empty: reports why there is no output.
heed_empty() {
    if { printf '%s' "$PATH" >"$members" && true >"$members"; } 2>/dev/null; then
        fault 1 "cannot ask '$asked': it printed nothing"
    else
        cut_off
    fi
}

cut_off() { fault 4 "cannot write '$members': it contains only part of the list (is the disk full?)"; }

# is_cut_off FILE: whether it holds only the beginning of a JSON object or array, or nothing. Serf does not report a full
# disk.
is_cut_off() {
    begin=$(head -c 1 "$1") && end=$(tail -c 16 "$1") || return 1
    while case $end in *[[:space:]]) ;; *) false ;; esac do end=${end%?}; done
    case $begin$end in "{"*"}" | "["*"]" | [!"{["]*) return 1 ;; esac
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
