#!/bin/sh
# settings.sh: the settings of reconcile, watch and docker/ha/lib/first-config, from the environment.
#
# It adds to "$@" the options that they all give render-cfg, which reads ROLLCALL_SET, ROLLCALL_VARS,
# ROLLCALL_MIN_NODES and ROLLCALL_CHECK itself. If a setting that the other programs need is wrong, the script ends
# with 2. A script that renders calls check_rendering before. In the good case this starts no process, because Serf waits
# for its handler.
#
# usage: . "$here/settings.sh"    by a script with `set -euf` that has set $here to the directory of both, and $own_name to
#        its own name
# needs: report.sh beside it
# settings: the table is in docs/settings.md
# shellcheck disable=SC2034,SC2154 # the variables are for the script that sources this

# shellcheck source=scripts/report.sh disable=SC1091
. "$here/report.sh"
PATH=${ROLLCALL_BIN:+$ROLLCALL_BIN:}$PATH:/usr/local/bin:/usr/sbin:/sbin
haproxy=${ROLLCALL_HAPROXY:-haproxy}
template=${ROLLCALL_TEMPLATE:-/etc/rollcall/haproxy.cfg.tera}
config=${ROLLCALL_CONFIG:-/etc/haproxy/haproxy.cfg}
limit=${ROLLCALL_STEP_TIMEOUT:-30}
[ -n "${NODES_DIR:-}" ] || unset NODES_DIR

# quote TEXT: sets $quoted to the text as one word of a command line.
quote() {
    quoted=$1
    case $1 in '' | *[!A-Za-z0-9_./:=,@%+-]*) ;; *) return ;; esac
    quoted=
    rest=$1
    while case $rest in *\'*) ;; *) false ;; esac do
        quoted="$quoted${rest%%\'*}'\\''"
        rest=${rest#*\'}
    done
    quoted="'$quoted$rest'"
}

# cannot_use VARIABLE VALUE REASON: reports a wrong setting and ends the script.
cannot_use() {
    report "cannot use $1 '$2': $3"
    exit 2
}

# check_rendering: reports the wrong settings that only render-cfg uses. Returns 1 if there is one. Then $fit is empty,
# unless something is only missing that watch can wait for.
check_rendering() {
    fit=yes
    absent=
    case ${ROLLCALL_SELF:-} in [!A-Za-z0-9]* | *[!A-Za-z0-9_.-]*)
        unfit ROLLCALL_SELF "$ROLLCALL_SELF" "it must be the name of a Serf agent: letters, digits, '_', '.' and '-'"
        ;;
    esac
    if [ ! -e "$template" ]; then
        absent=yes
        report "cannot use ROLLCALL_TEMPLATE '$template': no such file"
    elif [ ! -f "$template" ] || [ ! -r "$template" ]; then
        unfit ROLLCALL_TEMPLATE "$template" "it is not a readable file"
    fi
    if [ ! -d "${NODES_DIR:-/nodes}" ]; then
        absent=yes
        report "cannot use NODES_DIR '${NODES_DIR:-/nodes}': no such directory; create it"
    fi
    if [ -z "${ROLLCALL_CHECK:-}" ]; then
        check_program "$haproxy" || unfit ROLLCALL_HAPROXY "$haproxy" "it $reason; install HAProxy, or name its program"
    else
        check_check
    fi
    [ -n "$fit" ] && [ -z "$absent" ]
}

# check_check: whether the program of ROLLCALL_CHECK is there, unless its name is quoted. render-cfg parses the rest.
check_check() {
    for word in $ROLLCALL_CHECK; do
        case $word in *[\'\"\\]* | '{}') ;; *)
            check_program "$word" || unfit ROLLCALL_CHECK "$ROLLCALL_CHECK" "'$word' $reason"
            ;;
        esac
        break
    done
}

# unfit VARIABLE VALUE REASON: reports a wrong setting.
unfit() {
    fit=
    report "cannot use $1 '$2': $3"
}

# check_program PROGRAM: whether it can run; if not, $reason says why.
check_program() {
    case $1 in
    */*)
        if [ ! -e "$1" ]; then reason="does not exist"; else reason="is not an executable file"; fi
        [ -f "$1" ] && [ -x "$1" ]
        ;;
    *)
        reason="is not in the PATH ($PATH)"
        command -v "$1" >/dev/null
        ;;
    esac
}

# open_state: creates the state directory. Ends the script if it cannot be used.
open_state() {
    make_state 2>/dev/null || :
    [ ! -d "$state" ] || [ ! -w "$state" ] || [ ! -x "$state" ] || return 0
    if [ -d "$state" ]; then
        reason="it is not writable"
    elif [ -e "$state" ] || [ -L "$state" ]; then
        reason="it is not a directory"
    else
        command -v mkdir >/dev/null || { cannot_run mkdir 127 && exit 1; }
        reason="it cannot be created"
    fi
    report "cannot use ROLLCALL_STATE_DIR '$state': $reason"
    exit 4
}

# check_nodes: whether the records' directory exists or can be made; if not, sets $reason.
check_nodes() {
    nearest=${NODES_DIR:-/nodes}
    until [ -e "$nearest" ] || [ -L "$nearest" ]; do
        case $nearest in */*) nearest=${nearest%/*} && nearest=${nearest:-/} ;; *) nearest=. ;; esac
    done
    reason="'$nearest' is not a directory"
    [ -d "$nearest" ]
}

case $limit in
0* | *[!0-9]* | ?????*) cannot_use ROLLCALL_STEP_TIMEOUT "$limit" "give whole seconds, 1 to 9999" ;;
esac
# The limit of each wait inside a step. It is shorter than the step's own limit, so that the step can report what it
# waited for.
wait=$((limit / 3 + 1))s

list_age=${ROLLCALL_LIST_AGE:-30}
case $list_age in
0[0-9]* | *[!0-9]* | ?????*) cannot_use ROLLCALL_LIST_AGE "$list_age" "give whole seconds, 0 to 9999" ;;
esac

case $config in /*) ;; *) cannot_use ROLLCALL_CONFIG "$config" "give an absolute path" ;; esac
[ ! -d "$config" ] || cannot_use ROLLCALL_CONFIG "$config" "it is a directory; name a file"
[ -d "${config%/*}/" ] || cannot_use ROLLCALL_CONFIG "$config" "the directory '${config%/*}' does not exist"
case ${ROLLCALL_METRICS:-/} in /*) ;; *) cannot_use ROLLCALL_METRICS "$ROLLCALL_METRICS" "give an absolute path" ;; esac
check_nodes || cannot_use NODES_DIR "${NODES_DIR:-/nodes}" "$reason"

roles=
for role in ${ROLLCALL_ROLES:-backend balancer}; do
    case $role in -* | *[!A-Za-z0-9_.-]*)
        cannot_use ROLLCALL_ROLES "$role" "a role has letters, digits, '_', '.' and '-'; blanks separate several"
        ;;
    esac
    roles="$roles --role $role"
done
[ -n "$roles" ] || cannot_use ROLLCALL_ROLES "$ROLLCALL_ROLES" "name at least one role"

source=${ROLLCALL_MEMBERS:-serf}
# The format of its list.
format=
case $source in
serf) format=serf-members ;;
consul) format=consul-service ;;
command) [ -z "${ROLLCALL_MEMBERS_COMMAND:-}" ] || format=members ;;
*) cannot_use ROLLCALL_MEMBERS "$source" "it must be serf, consul or command" ;;
esac
[ -n "$format" ] || cannot_use ROLLCALL_MEMBERS command "set ROLLCALL_MEMBERS_COMMAND to a command that prints the members"
services=
[ "$source" != consul ] || services=${ROLLCALL_CONSUL_SERVICES:-${ROLLCALL_ROLES:-backend}}
named=
for service in $services; do
    named=yes
    case $service in -* | *[!A-Za-z0-9_.-]*)
        cannot_use ROLLCALL_CONSUL_SERVICES "$service" \
            "a service has letters, digits, '_', '.' and '-'; blanks separate several"
        ;;
    esac
done
[ -n "$named" ] || [ "$source" != consul ] || cannot_use ROLLCALL_CONSUL_SERVICES "$services" "name at least one service"

self=${ROLLCALL_SELF:-}
# The output of uname -n, without a process.
[ -n "$self" ] || read -r self </proc/sys/kernel/hostname || self=$(uname -n)
export ROLLCALL_MIN_NODES="${ROLLCALL_MIN_NODES:-backend=1}"
set -- "$@" --template "$template" --output "$config" --set "self=$self" \
    --set-from ROLLCALL_SET --vars-from ROLLCALL_VARS --min-nodes-from ROLLCALL_MIN_NODES \
    --check-timeout "$wait" --lock-timeout "$wait"
if [ -n "${ROLLCALL_CHECK:-}" ]; then
    set -- "$@" --check-from ROLLCALL_CHECK
else
    quote "$haproxy"
    check="$quoted -c"
    # This file makes the check faster and does not change its result.
    export ROLLCALL_CHECK_CFG="$here/check.cfg"
    quote "$ROLLCALL_CHECK_CFG"
    [ ! -r "$ROLLCALL_CHECK_CFG" ] || check="$check -f $quoted"
    set -- "$@" --check "$check -f {}"
    # A check of one's own may look at more than single lines.
    [ -n "${ROLLCALL_CHECK_WHOLE:-}" ] || set -- "$@" --check-changes "$state/render-cfg.checked"
fi
