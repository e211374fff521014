#!/bin/sh
# scale-command.sh: runs the commands of autoscale-run, one at a time, with a time limit and pauses.
#
# A command that failed, or succeeded and changed nothing, runs again after 15 s, 30 s, ... 5 min. What was tried is in a
# file, because the next look may be another process. It counts in seconds since the machine started, so that a clock
# that is set does not matter.
#
# usage: . "$here/scale-command.sh"    by a script that has sourced report.sh, and holds its lock while it runs commands
# needs: report.sh and run-limited beside it; mv; for the reason of a failure tail, tr, grep
# shellcheck disable=SC2034,SC2154 # the variables are for or from the script that sources this

pause_first=15
pause_most=300
# The command that runs now: the process, and what it does.
step=
doing=

# say MESSAGE: prints and logs what this script decides.
say() {
    printf '%s\n' "${0##*/}: $1" >&2
    now=
    log_line "$1"
}

# fault MESSAGE: reports an error, once in a look. A service reports once what lasts.
fault() {
    case $faulty in *"$newline$1$newline"*) return ;; esac
    case $faults in *"$newline$1$newline"*) met=$met$1$newline ;; *) report "$1" ;; esac
    faulty=$faulty$1$newline
}

# insert VALUE WORDS: sets $command to the words with the value in place of `{}`. The value needs no quotes.
insert() {
    command=
    left=$2
    while case $left in *'{}'*) ;; *) false ;; esac do
        command=$command${left%%'{}'*}$1
        left=${left#*'{}'}
    done
    command=$command$left
}

# set_uptime: the whole seconds since the machine started, without a process.
set_uptime() { read -r uptime </proc/uptime && uptime=${uptime%%.*}; }

# recall FILE: sets $recalled to the first line of a file of ours, empty if it cannot be read.
recall() {
    recalled=
    { ! is_plain "$1" || [ ! -r "$1" ] || read -r recalled <"$1"; } 2>/dev/null || :
}

# keep FILE TEXT: replaces a file of ours. Reports if it cannot.
keep() {
    [ -z "$dry" ] || return 0
    if { is_plain "$1.new" && make_file "$1.new" && printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; } 2>/dev/null; then
        return
    fi
    rm -f "$1.new" 2>/dev/null || :
    fault "cannot write '$1': see ROLLCALL_STATE_DIR (is the disk full?)"
    return 1
}

# find_attempt KIND: sets what was tried last: $tried, how often ($tries), when ($at), and $outcome: done, failed or
# running. A file that cannot be so is ignored.
find_attempt() {
    set_uptime
    tried=''
    tries=0
    at=0
    outcome=''
    eval "recalled=\${kept_$1:-}"
    [ -n "$recalled" ] || recall "$state/autoscale-run.$1"
    # shellcheck disable=SC2086 # words
    set -- $recalled
    [ $# -eq 4 ] || return 0
    case $2 in [1-9] | [1-9][0-9]) ;; *) return 0 ;; esac
    case $3 in 0* | *[!0-9]* | ??????????*) return 0 ;; esac
    [ "$3" -gt "$uptime" ] || { tried=$1 && tries=$2 && at=$3 && outcome=$4; }
}

# keep_attempt KIND OUTCOME: keeps it in a file. If that cannot be written, this process still knows it.
keep_attempt() {
    set_uptime
    if keep "$state/autoscale-run.$1" "$value $tries $uptime $2"; then kept=; else kept="$value $tries $uptime $2"; fi
    eval "kept_$1=\$kept"
}

# forget_attempts KIND: what was tried does not matter any more.
forget_attempts() {
    eval "kept_$1=''"
    [ -n "$dry" ] || rm -f "$state/autoscale-run.$1"
}

# set_pause: sets $pause to the pause after so many tries.
set_pause() {
    pause=$pause_first
    round=1
    while [ "$round" -lt "$tries" ] && [ "$pause" -lt "$pause_most" ]; do
        pause=$((pause * 2))
        round=$((round + 1))
    done
    [ "$pause" -le "$pause_most" ] || pause=$pause_most
}

# act KIND VALUE WORDS DEED REASON STILL: runs a command, unless it is too early for one of its kind. STILL says what a
# command that succeeded has not changed. Sets $result: 0 if it succeeded, empty if it did not run; and $failing.
act() {
    result=
    find_attempt "$1"
    value=$2
    because=$5
    set_pause
    case $outcome:$tried in
    '':* | "done:"*) if [ "$tried" = "$2" ]; then because="the command said success, but $6; $5"; else tries=0; fi ;;
    *) because="attempt $((tries + 1)); $5" ;;
    esac
    [ "$tries" -eq 0 ] || [ $((at + pause)) -le "$uptime" ] || { wait_out "$4" && return 0; }
    insert "$2" "$3"
    [ -z "$dry" ] || { printf '%s\n' "would run $command, to $4: $because" && return; }
    [ "$tries" -ge 99 ] || tries=$((tries + 1))
    say "runs $command, to $4: $because"
    doing=$4
    run "$1"
    doing=
}

# wait_out DEED: it is too early. Only --dry-run says so: the log has the length of the pause.
wait_out() {
    [ "$outcome" = 'done' ] || failing=yes
    [ -z "$dry" ] || echo "would wait $((at + pause - uptime)) s more before it tries to $1 again"
}

# run KIND: runs $command, and logs how it failed. Sets $result to its exit code.
run() {
    keep_attempt "$1" running
    output=$state/autoscale-run.output
    # What a full disk does not take is lost: the command must not fail because of it.
    { [ -z "$kept" ] && is_plain "$output" && make_file "$output" && true >"$output"; } 2>/dev/null || output=/dev/null
    result=0
    # The lock is inherited, see run-limited.
    eval "exec \"\$here/run-limited\" \"\$scale_limit\" $command" >"$output" 2>&1 &
    step=$!
    wait "$step" || result=$?
    step=
    if [ "$result" -eq 0 ]; then keep_attempt "$1" 'done'; else failed "$1"; fi
}

# failed KIND: logs it with the last line that the command printed.
failed() {
    failing=yes
    keep_attempt "$1" failed
    set_pause
    how="exit code $result"
    [ "$result" -ne 124 ] || how="it did not end within $scale_limit s, and was ended with all that it had started"
    last=$(tail -c 1000 "$output" | tr '\r' '\n' | tr -cd '[:print:]\n' | grep . | tail -n 1) || last=
    [ -z "$last" ] || how="$how; it printed last: '$last'"
    say "cannot $doing: $how; it runs again after $pause s at the earliest"
}
