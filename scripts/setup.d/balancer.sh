# balancer.sh: the first haproxy.cfg, its checks, and how HAProxy gets it.
#
# The new file is rendered and checked in a private directory before anything is changed, so its difference can be shown
# and its faults end the script early.
#
# usage: . "$lib/balancer.sh"    by rollcall-setup, after defaults.sh
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

# render CONFIG MIN-NODES: runs render-cfg with the settings of the default file and this output.
render() (
    set -a
    # shellcheck source=/dev/null
    . "$work/default"
    ROLLCALL_CONFIG=$1
    ROLLCALL_MIN_NODES=${2:-${ROLLCALL_MIN_NODES:-}}
    [ "$1" = "$config" ] || ROLLCALL_STATE_DIR=$work ROLLCALL_LOG=$work/log
    [ -d "${NODES_DIR:-/nodes}" ] || NODES_DIR=$work/nodes
    set +a
    set -f
    here=$libexec
    own_name=rollcall-setup
    set --
    # shellcheck source=scripts/settings.sh disable=SC1091
    . "$libexec/settings.sh"
    check_rendering || exit 2
    exec render-cfg "$@"
)

# is_ours FILE: whether render-cfg has written it.
is_ours() { grep -Eq '^[[:space:]]*description rollcall-[0-9a-f]{16}$' "$1" 2>/dev/null; }

# preview_config: renders in private, and ends the script if that fails or if it would remove proxies of the user.
preview_config() {
    config=$(value_of ROLLCALL_CONFIG)
    config=${config:-/etc/haproxy/haproxy.cfg}
    nodes=$(value_of NODES_DIR)
    nodes=${nodes:-/nodes}
    mkdir -p "$work/nodes"
    code=0
    render "$work/haproxy.cfg" 0 >"$work/rendered" 2>&1 || code=$?
    # With 3 a record or a tag is invalid, or the template: then there is no file.
    if { [ "$code" -ne 0 ] && [ "$code" -ne 3 ]; } || [ ! -e "$work/haproxy.cfg" ]; then
        cat "$work/rendered" >&2
        die "$code" "cannot render '$config'; see above"
    fi
    { [ -e "$config" ] && ! is_ours "$config" && [ -z "$replace" ]; } || return 0
    lost=$(lost_proxies)
    [ -z "$lost" ] || die 2 "'$config' has what the template does not have: $lost; put it into" \
        "$(template), or give --replace (the old file is kept)"
}

template() { path=$(value_of ROLLCALL_TEMPLATE) && echo "${path:-/etc/rollcall/haproxy.cfg.tera}"; }

# lost_proxies: the proxies of the present file that the new one does not have, such as `frontend web`.
lost_proxies() {
    proxies "$config" | while IFS= read -r proxy; do
        proxies "$work/haproxy.cfg" | grep -Fxq -e "$proxy" || printf '%s\n' "$proxy"
    done | paste -s -d , - | sed 's/,/, /g'
}

proxies() { awk '/^[ \t]*(frontend|backend|listen)[ \t]/ { print $1, $2 }' "$1"; }

# keep_config: shows the difference and keeps the old file, before a handler may write a new one.
keep_config() {
    first=
    if [ -e "$config" ] && is_ours "$config"; then return 0; fi
    first=yes
    show_diff "$config" "$work/haproxy.cfg" || :
    ! step "write $config" || save_config
}

# put_config: renders the new file and makes HAProxy run it.
put_config() {
    if [ -z "$first" ]; then render_again; elif [ -z "$dry" ]; then render_first; fi
    load_config
}

# render_first: without the guard, because there may be no backend yet. Members that Serf knows are recorded first.
render_first() {
    make_directory "$nodes" 750
    if [ -n "$(info)" ]; then
        tries=25
        until [ -z "$join" ] || [ "$(alive)" -gt 1 ] || [ "$tries" -eq 0 ]; do
            tries=$((tries - 1))
            sleep 0.2 2>/dev/null || sleep 1
        done
        with_settings env ROLLCALL_ONLY_RECORD=1 "$libexec/reconcile" >"$work/recorded" 2>&1 9>&- || :
    fi
    code=0
    render "$config" 0 || code=$?
    case $code in 0 | 3) ;; *) die "$code" "cannot render '$config'; see above" ;; esac
}

# save_config: keeps the old file, and takes read permission from others, because the new one will contain the cookies'
# key.
save_config() {
    make_directory "${config%/*}" 755
    if [ ! -e "$config" ]; then
        note "made $config"
        (umask 027 && true >"$config") 2>"$work/error" || cannot_write "$config"
        return
    fi
    if [ -e "$config$kept" ] && ! cmp -s "$config" "$config$kept"; then
        earlier=$config$kept.$(date -u +%Y%m%dT%H%M%SZ)
        say "keep the old $config as $earlier, because $config$kept exists"
        cp -p "$config" "$earlier" 2>"$work/error" || cannot_write "$earlier"
    fi
    save "$config"
    chmod 640 "$config" 2>"$work/error" || cannot_write "$config"
}

# render_again: with the guard, because Serf may see fewer nodes than usual for a moment.
render_again() {
    make_directory "$nodes" 750
    cmp -s "$config" "$work/haproxy.cfg" && return 0
    if [ -n "$dry" ]; then
        show_diff "$config" "$work/haproxy.cfg" || :
        step "write $config" || step "make HAProxy run $config" || return 0
    fi
    cp "$config" "$work/before.cfg"
    # Where nothing is served, nothing can be lost.
    least=
    grep -Eq '^[[:space:]]*server[[:space:]]' "$config" || least=0
    code=0
    render "$config" "$least" || code=$?
    if ! cmp -s "$config" "$work/before.cfg"; then
        changed=yes
        compare "$work/before.cfg" "$config" "$config"
        say "write $config"
    fi
    case $code in 0 | 3 | 6) ;; *) die "$code" "cannot render '$config'; see above" ;; esac
}

# load_config: with reload-haproxy, or by starting HAProxy.
load_config() {
    if ! runs_haproxy; then
        if ! has_systemd; then
            remains "start HAProxy: haproxy -W -S /run/haproxy-master.sock -f $config"
        elif step "start haproxy"; then
            systemctl reset-failed haproxy.service 2>/dev/null || :
            control start haproxy.service
        fi
        return 0
    fi
    reload --status >/dev/null 2>&1 && return 0
    step "make HAProxy run $config" || return 0
    reload 9>&- || die "$?" "HAProxy does not run '$config'; see above"
}

# reload [OPTION]: reload-haproxy with the settings.
reload() {
    loaded=$(value_of ROLLCALL_STATE_DIR)
    with_settings reload-haproxy --config "$config" --state-dir "${loaded:-/run/rollcall}" "$@"
}

# runs_haproxy: whether a HAProxy of this machine was started on the file.
runs_haproxy() {
    ! reload --status 2>&1 >/dev/null | grep -q "no running HAProxy"
}
