#!/bin/sh
# scale-victim.sh: takes one chosen server out of service: drains it, and stops it once it has no sessions.
#
# What is drained is in a file, so that a server that someone else drains is never stopped, and one of ours is, even if
# this script was killed in between. The file has the server's name, since when (seconds since the machine started),
# how many looks running it had no sessions, and how far it is: asked, draining or stopped.
#
# usage: . "$here/scale-victim.sh"    by a script that has sourced scale-command.sh
# needs: scale-command.sh beside it
# shellcheck disable=SC2034,SC2154 # the variables are for or from the script that sources this

victim_file=$state/autoscale-run.victim

# find_victim: sets $victim, empty if there is none, and $own: how many servers the engine runs that do not count.
find_victim() {
    victim=''
    own=0
    recall "$victim_file"
    # shellcheck disable=SC2086 # words
    set -- $recalled
    { [ $# -eq 4 ] && is_name "$1"; } || return 0
    case $2:$3 in *[!0-9:]* | 0?*:* | *:0?* | ??????????*:* | *:???*) return 0 ;; esac
    case $4 in asked | draining | stopped) ;; *) return 0 ;; esac
    victim=$1
    since=$2
    idle=$3
    phase=$4
    set_uptime
    # The machine has started again.
    [ "$since" -le "$uptime" ] || since=$uptime
    [ "$phase" = stopped ] || own=1
}

# is_name TEXT: whether it can be a server, and not an option of a command.
is_name() { case $1 in '' | [!A-Za-z0-9_]* | *[!A-Za-z0-9_.:-]*) return 1 ;; esac }

keep_victim() { keep "$victim_file" "$victim $since $idle $phase"; }

# forget_victim REASON: it goes its own way from now on.
forget_victim() {
    [ -n "$dry" ] || say "$1"
    [ -n "$dry" ] || rm -f "$victim_file"
    forget_attempts drain
    forget_attempts stop
    victim=''
    own=0
}

# list_servers: sets $servers to the lines of `autoscale --servers`. Returns 1 if not all balancers answer.
list_servers() { servers=$(eval "\"\$here/run-limited\" $((step_limit + 5)) $listing" 2>/dev/null 9>&-); }

# find_server NAME: sets $found to its state, empty if it is not there, and $sessions.
find_server() {
    found=''
    while read -r name condition number; do
        [ "$name" != "$1" ] || { found=$condition && sessions=$number; }
    done <<EOF
$servers
EOF
}

# tend_victim: does the next step with the victim.
tend_victim() {
    list_servers || return 0
    find_server "$victim"
    case $phase:$found in
    *:) forget_victim "$victim is gone" ;;
    stopped:draining) stop_victim "it was drained" ;;
    stopped:*) if [ "$wanted" -lt "$count" ]; then stop_victim "$reason"; else forget_victim "$victim is there again"; fi ;;
    draining:draining) wait_for_sessions ;;
    *:draining) begin_waiting ;;
    draining:*) forget_victim "$victim stays: it serves again, so someone else has ended its drain" ;;
    # Only now is it known whether the command had an effect.
    *) if [ "$wanted" -lt "$count" ]; then drain_victim; else spare_victim; fi ;;
    esac
}

# spare_victim: it was not drained, and is needed.
spare_victim() {
    find_attempt drain
    [ "$outcome" != failed ] || forget_victim "$victim stays: it is needed again"
}

begin_waiting() {
    phase=draining
    idle=0
    set_uptime
    since=$uptime
    keep_victim || :
    wait_for_sessions
}

wait_for_sessions() {
    before=$idle
    idle=$((idle + 1))
    [ "$sessions" = 0 ] || idle=0
    # More would only wear the disk.
    [ "$idle" -eq "$before" ] || [ "$idle" -gt 2 ] || keep_victim || :
    if [ "$idle" -ge 2 ]; then
        stop_victim "it has no sessions left"
    elif [ $((uptime - since)) -ge "$drain_limit" ]; then
        stop_victim "it has drained for $drain_limit s, and still has sessions: $sessions"
    fi
}

drain_victim() { act drain "$victim" "$drain_words" "drain $victim" "$reason" "$victim does not drain"; }

# stop_victim REASON: it keeps its file until HAProxy does not have it any more.
stop_victim() {
    act stop "$victim" "$stop_words" "stop $victim" "$1" "$victim is still there"
    [ "$result" = 0 ] && [ "$phase" != stopped ] || return 0
    phase=stopped
    own=0
    keep_victim || :
}

# choose_victim: the server with the fewest sessions of those that do not drain. Without a file of it, it would drain for
# ever.
choose_victim() {
    list_servers || return 0
    while read -r name condition number; do
        [ "$condition" = draining ] || ! is_name "$name" || { victim=$name && break; }
    done <<EOF
$servers
EOF
    [ -n "$victim" ] || return 0
    sessions=$number
    idle=0
    phase=asked
    set_uptime
    since=$uptime
    reason="it has the fewest sessions, $sessions; $reason"
    keep_victim || { victim='' && return; }
    if [ -n "$drain_words" ]; then drain_victim; else stop_victim "$reason"; fi
}
