#!/bin/sh
# report.sh: how the scripts print and log their own errors, and end what they have started.
#
# The log tells changes: an error that lasts is logged when it begins, once an hour, and when it ends. One that comes and
# goes is logged once an hour, with its first end. The programs do the same with --log-state. As long as nothing is
# wrong, this starts no process.
#
# usage: . "$here/report.sh"    by a script that has set $here to the directory of both, and $own_name to its own name
# needs: date
# settings: ROLLCALL_LOG, ROLLCALL_STATE_DIR; and all others, if /etc/default/rollcall has them
# shellcheck disable=SC2034,SC2154 # the variables are for and from the script that sources this

# Run by hand, with none of the services' settings, it has theirs.
if [ -z "${NODES_DIR+x}${ROLLCALL_STATE_DIR+x}" ] && [ -r /etc/default/rollcall ]; then
    given=$(export -p)
    set -a
    # shellcheck source=/dev/null
    . /etc/default/rollcall
    set +a
    # What is set already counts more.
    eval "$given"
fi
state=${ROLLCALL_STATE_DIR:-/run/rollcall}
log=${ROLLCALL_LOG:-/var/log/rollcall.log}
newline='
'
# What this script has logged: seconds since 1970 and the message, a line for each, with `ended: ` before a message
# whose end is in the log too.
reported=$state/$own_name.reported
# What this run has reported.
met=$newline
now=

# set_now: the time, as seconds since 1970 and as text, for one process.
set_now() {
    [ -z "$now" ] || return 0
    now=$(date -u '+%s %Y-%m-%dT%H:%M:%SZ' 2>/dev/null) && return
    now='0 -'
    cannot_run date 127
}

# make_state: creates the state directory, not readable by everyone.
make_state() { [ -d "$state" ] || (umask 027 && mkdir -p "$state"); }

# is_plain FILE: whether it is a regular file, or nothing is there. A symlink could point anywhere, and reading a pipe
# would hang.
is_plain() { [ ! -L "$1" ] && { [ -f "$1" ] || [ ! -e "$1" ]; }; }

# make_file FILE: creates it if it does not exist, not readable by everyone.
make_file() { [ -e "$1" ] || (umask 027 && true >>"$1"); }

# end_child PID: sends it SIGTERM once it runs its program. A shell's child loses a signal that comes before that.
end_child() {
    { read -r own </proc/$$/comm && while read -r name </proc/"$1"/comm && [ "$name" = "$own" ]; do :; done; } 2>/dev/null || :
    kill "$1" 2>/dev/null
}

# log_line MESSAGE: appends to the log.
log_line() {
    set_now
    make_file "$log" || :
    printf '%s\n' "${now#* } ${own_name}[$$]: $1" >>"$log" || :
}

# report MESSAGE: prints an error of the script itself, and logs it unless it was logged within the last hour.
report() {
    # First, because it reports that there is no `date`.
    set_now
    message=$1
    while case $message in *"$newline"*) ;; *) false ;; esac do
        message="${message%%"$newline"*} ${message#*"$newline"}"
    done
    printf '%s\n' "$own_name: $message" >&2
    met=$met$message$newline
    find_reported "$message"
    # A new log gets it again.
    [ ! -f "$log" ] || [ -s "$log" ] || last=
    [ -e "$log" ] || last=
    is_old "$last" || return 0
    log_line "$message"
    make_state 2>/dev/null || return 0
    write_reported "$others${now%% *} $message$newline"
}

# find_reported MESSAGE: sets $last to the time when it was reported, and $others to the other entries.
find_reported() {
    others=
    last=
    { [ -f "$reported" ] && [ -r "$reported" ]; } || return 0
    while IFS= read -r entry; do
        text=${entry#* }
        case $text in
        "$1" | "ended: $1") last=${entry%% *} ;;
        # An end that is an hour old is forgotten.
        "ended: "*) is_old "${entry%% *}" || others=$others$entry$newline ;;
        *) others=$others$entry$newline ;;
        esac
    done <"$reported"
}

# is_old SECONDS: whether that is an hour ago, or not a time. A clock that was set back must not silence an error.
is_old() {
    case $1 in '' | *[!0-9]* | 0?* | ???????????*) return 0 ;; esac
    [ $((${now%% *} - $1)) -lt 0 ] || [ $((${now%% *} - $1)) -ge 3600 ]
}

# write_reported TEXT: replaces the file.
write_reported() {
    if ! is_plain "$reported"; then
        log_line "cannot write '$reported': it is not a regular file; until then the log repeats errors"
        return
    fi
    { make_file "$reported" && printf %s "$1" >"$reported"; } 2>/dev/null || :
}

# report_ended: logs which errors of earlier runs this run did not meet. Only for a run that would have met them all.
report_ended() {
    { [ -f "$reported" ] && [ -s "$reported" ]; } || return 0
    entries=
    ends=
    while IFS= read -r entry; do
        text=${entry#* }
        case $text in "ended: "*) ;; *)
            case $met in *"$newline$text$newline"*) ;; *)
                ends=$ends$text$newline
                entry="${entry%% *} ended: $text"
                ;;
            esac
            ;;
        esac
        entries=$entries$entry$newline
    done <"$reported"
    [ -z "$ends" ] || write_reported "$entries"
    while [ -n "$ends" ]; do
        log_line "ended: ${ends%%"$newline"*}"
        ends=${ends#*"$newline"}
    done
}

# cannot_run PROGRAM CODE: reports that a program could not run, or how it ended.
cannot_run() {
    if command -v "$1" >/dev/null; then
        report "cannot run '$1': it ended with exit code $2"
        return
    fi
    case $1 in
    member-join | member-leave | render-cfg | reload-haproxy | autoscale-apply) advice="set ROLLCALL_BIN to its directory" ;;
    flock) advice="install util-linux, or a BusyBox with it" ;;
    serf) advice="install Serf" ;;
    consul) advice="install Consul" ;;
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
