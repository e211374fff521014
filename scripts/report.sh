#!/bin/sh
# report.sh: how the scripts print and log their own errors.
#
# The log tells changes: an error that lasts is logged when it begins, once an hour, and when it ends. The programs do the
# same with --log-state. As long as nothing is wrong, this starts no process.
#
# usage: . "$here/report.sh"    by a script that has set $here to the directory of both
# needs: date
# settings: ROLLCALL_LOG, ROLLCALL_STATE_DIR
# shellcheck disable=SC2034 # the variables are for the script that sources this

state=${ROLLCALL_STATE_DIR:-/run/rollcall}
log=${ROLLCALL_LOG:-/var/log/rollcall.log}
newline='
'
# What this script has logged and what may last: seconds since 1970 and the message, a line for each.
reported=$state/${0##*/}.reported
# What this run has reported.
met=$newline
now=

# set_now: the time, as seconds since 1970 and as text, for one process.
set_now() { [ -n "$now" ] || now=$(date -u '+%s %Y-%m-%dT%H:%M:%SZ') || now='0 -'; }

# make_state: creates the state directory, not readable by everyone.
make_state() { [ -d "$state" ] || (umask 027 && mkdir -p "$state"); }

# make_file FILE: creates it if it does not exist, not readable by everyone.
make_file() { [ -e "$1" ] || (umask 027 && true >>"$1"); }

# log_line MESSAGE: appends to the log.
log_line() {
    set_now
    make_file "$log" || :
    printf '%s\n' "${now#* } ${0##*/}[$$]: $1" >>"$log" || :
}

# report MESSAGE: prints an error of the script itself, and logs it unless it was logged within the last hour.
report() {
    message=$1
    while case $message in *"$newline"*) ;; *) false ;; esac do
        message="${message%%"$newline"*} ${message#*"$newline"}"
    done
    printf '%s\n' "${0##*/}: $message" >&2
    met=$met$message$newline
    set_now
    others=
    last=
    if [ -r "$reported" ]; then
        while IFS= read -r entry; do
            if [ "${entry#* }" = "$message" ]; then last=${entry%% *}; else others=$others$entry$newline; fi
        done <"$reported"
    fi
    # A new log gets it again, and a clock that was set back must not silence it.
    [ ! -f "$log" ] || [ -s "$log" ] || last=
    [ -e "$log" ] || last=
    case $last in
    '' | *[!0-9]* | ???????????*) ;;
    *) [ $((${now%% *} - last)) -lt 0 ] || [ $((${now%% *} - last)) -ge 3600 ] || return 0 ;;
    esac
    log_line "$message"
    make_state 2>/dev/null || return 0
    { printf '%s%s %s\n' "$others" "${now%% *}" "$message" >"$reported"; } 2>/dev/null || :
}

# report_ended: logs which errors of earlier runs this run did not meet. Only for a run that would have met them all.
report_ended() {
    [ -s "$reported" ] || return 0
    lasting=
    while IFS= read -r entry; do
        case $met in
        *"$newline${entry#* }$newline"*) lasting=$lasting$entry$newline ;;
        *) log_line "ended: ${entry#* }" ;;
        esac
    done <"$reported"
    { printf %s "$lasting" >"$reported"; } 2>/dev/null || :
}

# cannot_run PROGRAM CODE: reports that a program could not run, or how it ended.
cannot_run() {
    if command -v "$1" >/dev/null; then
        report "cannot run '$1': it ended with exit code $2"
        return
    fi
    case $1 in
    member-join | member-leave | render-cfg | reload-haproxy) advice="set ROLLCALL_BIN to its directory" ;;
    flock) advice="install util-linux, or a BusyBox with it" ;;
    serf) advice="install Serf" ;;
    *) advice="install coreutils, or a BusyBox with it" ;;
    esac
    report "cannot run '$1': it is not in the PATH ($PATH); $advice"
}

# cannot_run_timeout CODE PROGRAM: reports the exit code of `timeout N PROGRAM`: which of both could not run.
cannot_run_timeout() {
    case $1 in
    12[5-7]) if command -v timeout >/dev/null; then cannot_run "$2" "$1"; else cannot_run timeout "$1"; fi ;;
    *) cannot_run "$2" "$1" ;;
    esac
}
