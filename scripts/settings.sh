#!/bin/sh
# settings.sh: the settings of reconcile and watch, read from the environment and checked.
#
# It also adds to "$@" the options that both give render-cfg. It starts no process, because Serf waits for its handler.
#
# usage: . "$here/settings.sh"    by a script that has set $here to the directory of both
# settings: the table is in docs/settings.md
# shellcheck disable=SC2034,SC2154 # the variables are for the script that sources this

PATH=${ROLLCALL_BIN:+$ROLLCALL_BIN:}$PATH:/usr/local/bin:/usr/sbin:/sbin
state=${ROLLCALL_STATE_DIR:-/run/rollcall}
log=${ROLLCALL_LOG:-/var/log/rollcall.log}
config=${ROLLCALL_CONFIG:-/etc/haproxy/haproxy.cfg}
limit=${ROLLCALL_STEP_TIMEOUT:-30}

# report MESSAGE: prints an error of the script itself and logs it.
report() {
    echo "${0##*/}: $1" >&2
    echo "$(date -u +%FT%TZ) ${0##*/}[$$]: $1" >>"$log" || :
}

case $limit in
'' | 0* | *[!0-9]* | ?????*)
    report "cannot use ROLLCALL_STEP_TIMEOUT '$limit': give whole seconds, at most 9999"
    exit 2
    ;;
esac
# The limit of each wait inside a step. It is shorter than the step's own limit, so that the step can report what it
# waited for.
wait=$((limit / 3 + 1))s

check="'${ROLLCALL_HAPROXY:-haproxy}' -c"
# This file makes the check faster and does not change its result.
export ROLLCALL_CHECK_CFG="$here/check.cfg"
[ ! -r "$ROLLCALL_CHECK_CFG" ] || check="$check -f '$ROLLCALL_CHECK_CFG'"
check="$check -f {}"
self=${ROLLCALL_SELF:-}
# The output of uname -n, without a process.
[ -n "$self" ] || read -r self </proc/sys/kernel/hostname || self=$(uname -n)
for pair in self="$self" ${ROLLCALL_SET:-}; do set -- "$@" --set "$pair"; done
for least in ${ROLLCALL_MIN_NODES:-backend=1}; do set -- "$@" --min-nodes "$least"; done
set -- "$@" --template "${ROLLCALL_TEMPLATE:-/etc/rollcall/haproxy.cfg.tera}" --output "$config" \
    --check "${ROLLCALL_CHECK:-$check}" --check-timeout "$wait" --lock-timeout "$wait"
