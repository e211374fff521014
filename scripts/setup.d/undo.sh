# undo.sh: puts back what the journal names, in the opposite order. What was changed by hand since stays, and is
# reported.
#
# usage: . "$lib/undo.sh"    by rollcall-setup, after balancer.sh
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

undo() {
    [ -e "$journal" ] || { say "nothing to undo" && exit 0; }
    config=$(value_of ROLLCALL_CONFIG)
    config=${config:-/etc/haproxy/haproxy.cfg}
    # The last change is undone first, because it may have replaced an earlier one.
    sed '1!G;h;$!d' "$journal" >"$work/undo"
    each enabled undo_enabled
    each set undo_set
    put_undone_defaults
    each made undo_made
    each saved undo_saved
    each moved undo_moved
    each disabled undo_disabled
    if [ -e "$must_restart" ] || [ -n "$serf_changed" ]; then undo_serf; fi
    ! noted "saved $config" || undo_config
    undo_haproxy
    [ ! -e "$key_file" ] || say "$key_file stays, because other members have the same key"
    [ -n "$dry" ] || rm -rf /var/lib/rollcall/serf.snapshot "$state"
}

# each VERB FUNCTION: calls it with what follows the verb in each entry.
each() {
    while IFS= read -r entry <&3; do
        case $entry in "$1 "*) "$2" "${entry#* }" ;; esac
    done 3<"$work/undo"
}

undo_enabled() {
    ! is_enabled "$1" || ! step "disable $1" || control disable "$1"
    ! has_systemd || ! systemctl --quiet is-active "$1" || ! step "stop $1" || control stop "$1"
}

undo_disabled() {
    command -v systemctl >/dev/null && [ -e "$units_dir/$1" ] || return 0
    ! has_systemd || [ -n "$dry" ] || control daemon-reload
    ! step "enable $1" || control enable "$1"
    ! has_systemd || ! step "start $1" || control start "$1"
}

undo_set() {
    there=$(line_of "${1%%=*}")
    if [ "$there" = "$1" ]; then drop "$1"; fi
}

put_undone_defaults() {
    cmp -s "$work/default" "$defaults" || [ ! -e "$defaults" ] || {
        show_diff "$defaults" "$work/default"
        ! step "write $defaults" || { mark_serf && install_file "$defaults" 600 "$work/default"; }
    }
}

undo_made() {
    [ -e "$1" ] || return 0
    case $1 in "$serf_dir"/*) mark_serf ;; esac
    if { [ "$1" = "$defaults" ] && [ -s "$1" ]; } || { [ "$1" = "$config" ] && ! is_ours "$1"; }; then
        say "$1 was changed by hand, and stays"
    elif is_edited "$1" && [ "$1" != "$config" ]; then
        step "move $1 to $1.kept, because it was changed by hand" || return 0
        mv "$1" "$1.kept" 2>"$work/error" || cannot_write "$1.kept"
    elif step "remove $1"; then
        rm -f "$1" 2>"$work/error" || cannot_write "$1"
    fi
}

undo_saved() {
    [ -e "$1$kept" ] && [ "$1" != "$config" ] || return 0
    if is_edited "$1"; then say "$1 was changed by hand, and stays; $1$kept is the old one" && return; fi
    put_back "$1"
}

put_back() {
    step "put the old $1 back" || return 0
    case $1 in "$serf_dir"/* | */serf.service.d/*) mark_serf ;; esac
    mv -f "$1$kept" "$1" 2>"$work/error" || cannot_write "$1"
}

undo_moved() {
    [ -e "$1$kept" ] || return 0
    if [ -e "$1" ]; then say "$1 exists again, and stays; $1$kept is the old one" && return; fi
    put_back "$1"
}

# undo_config: a handler that still runs must not write it again, so none may run.
undo_config() {
    [ -e "$config$kept" ] || return 0
    if [ -z "$dry" ] && { true >>/run/rollcall/reconcile.lock; } 2>/dev/null; then
        exec 8>>/run/rollcall/reconcile.lock
        timeout 60 flock 8 || :
    fi
    if ! is_ours "$config"; then
        say "$config was replaced by hand, and stays; $config$kept is the old one"
        return 0
    fi
    put_back "$config"
    [ -n "$dry" ] || rm -f "${config%/*}/.${config##*/}.lock"
}

undo_serf() {
    has_systemd || { remains "start the Serf agent again: serf agent -config-dir=$serf_dir" && return 0; }
    step "restart serf" || return 0
    control daemon-reload
    control restart serf.service
}

# undo_haproxy: the old file is checked before HAProxy gets it.
undo_haproxy() {
    [ -e "$config" ] && runs_haproxy && ! reload --status >/dev/null 2>&1 || return 0
    haproxy -c -f "$config" >"$work/check" 2>&1 || {
        cat "$work/check" >&2
        die 5 "HAProxy rejects '$config' as it was before, and still runs the last one; see above"
    }
    step "make HAProxy run $config" || return 0
    reload 8>&- 9>&- || die "$?" "HAProxy does not run '$config'; see above"
}
