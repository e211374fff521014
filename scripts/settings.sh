#!/bin/sh
# settings.sh: the settings of reconcile, watch and docker/ha/lib/first-config, from the environment.
#
# It adds to "$@" the options that they all give render-cfg, which reads ROLLCALL_SET, ROLLCALL_MIN_NODES and
# ROLLCALL_CHECK itself. If a setting that the other programs need is wrong, the script ends with 2. In the good case
# this starts no process, because Serf waits for its handler.
#
# usage: . "$here/settings.sh"    by a script with `set -euf` that has set $here to the directory of both
# needs: report.sh beside it
# settings: the table is in docs/settings.md
# shellcheck disable=SC2034,SC2154 # the variables are for the script that sources this

# shellcheck source=scripts/report.sh disable=SC1091
. "$here/report.sh"
PATH=${ROLLCALL_BIN:+$ROLLCALL_BIN:}$PATH:/usr/local/bin:/usr/sbin:/sbin
haproxy=${ROLLCALL_HAPROXY:-haproxy}
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

case $limit in
0* | *[!0-9]* | ?????*) cannot_use ROLLCALL_STEP_TIMEOUT "$limit" "give whole seconds, 1 to 9999" ;;
esac
# The limit of each wait inside a step. It is shorter than the step's own limit, so that the step can report what it
# waited for.
wait=$((limit / 3 + 1))s

roles=
for role in ${ROLLCALL_ROLES:-backend balancer}; do
    case $role in -* | *[!A-Za-z0-9_.-]*)
        cannot_use ROLLCALL_ROLES "$role" "a role has letters, digits, '_', '.' and '-'; blanks separate several"
        ;;
    esac
    roles="$roles --role $role"
done
[ -n "$roles" ] || cannot_use ROLLCALL_ROLES "$ROLLCALL_ROLES" "name at least one role"

self=${ROLLCALL_SELF:-}
# The output of uname -n, without a process.
[ -n "$self" ] || read -r self </proc/sys/kernel/hostname || self=$(uname -n)
export ROLLCALL_MIN_NODES="${ROLLCALL_MIN_NODES:-backend=1}"
set -- "$@" --template "${ROLLCALL_TEMPLATE:-/etc/rollcall/haproxy.cfg.tera}" --output "$config" --set "self=$self" \
    --set-from ROLLCALL_SET --min-nodes-from ROLLCALL_MIN_NODES --check-timeout "$wait" --lock-timeout "$wait"
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
fi
