#!/bin/sh
# lock.sh: the lock of reconcile. Of several runs only one records, renders and reloads. autoscale-run has one, too.
#
# usage: . "$here/lock.sh"    by a script that has sourced report.sh and set $limit, and whose trap ends the process $step
# needs: report.sh beside it; flock, timeout, mkdir
# shellcheck disable=SC2034,SC2154 # the variables are for or from the script that sources this

lock=$state/reconcile.lock
has_waited=

# take_lock: opens the lock as descriptor 9, and waits for it, at most $limit seconds. Ends the script if it cannot.
# Usually the lock is free, and flock is the only process: it is not given a limit, because BusyBox's has no option for
# that.
take_lock() {
    open_lock
    code=0
    flock -n 9 || code=$?
    [ "$code" -ne 1 ] || wait_for_lock
    [ "$code" -ne 0 ] || return 0
    if command -v flock >/dev/null; then cannot_run_timeout "$code" flock; else cannot_run flock "$code"; fi
    exit 1
}

# open_lock: opens the lock, after creating its directory.
open_lock() {
    open_state
    if is_plain "$lock" && make_file "$lock" && true >>"$lock"; then
        exec 9>>"$lock"
        return
    fi
    is_plain "$lock" || report "cannot write '$lock': it is not a regular file; remove it, or see ROLLCALL_STATE_DIR"
    ! is_plain "$lock" || report "cannot write '$lock': see ROLLCALL_STATE_DIR"
    exit 4
}

# wait_for_lock: waits for the lock, at most $limit seconds, and sets $code.
wait_for_lock() {
    code=0
    has_waited=yes
    timeout "$limit" flock 9 &
    step=$!
    wait "$step" || code=$?
    step=
    # coreutils' timeout ends with the first, BusyBox's with the second.
    case $code in 124 | 143) report "cannot lock '$lock': another run has held it for $limit s" && exit 7 ;; esac
}

# release_lock: BusyBox's timeout leaves a process behind for a second, which would keep the lock.
release_lock() { [ -z "$has_waited" ] || flock -u 9; }
