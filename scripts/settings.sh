#!/bin/sh
# settings.sh: the settings of reconcile, watch and docker/ha/lib/first-config, read from the environment and checked.
#
# It adds to "$@" the options that they all give render-cfg. It sets $unusable if those settings are wrong, and ends the
# script with 2 if others are. A message names the variable, because a user never sees render-cfg's options. In the good
# case it starts no process, because Serf waits for its handler.
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
blanks=" 	$newline"

# next_word: moves the first word of $rest to $word, as a shell would: blanks separate words unless they are within '...'
# or "..." or behind a backslash. Nothing is expanded. Fails if there is no word. Sets $unclosed if a quote has no end.
next_word() {
    rest=${rest#"${rest%%[!"$blanks"]*}"}
    word=
    [ -n "$rest" ] || return 1
    while :; do
        plain=${rest%%["$blanks"\'\"\\]*}
        word=$word$plain
        rest=${rest#"$plain"}
        case $rest in
        \'*\'*)
            rest=${rest#?}
            word=$word${rest%%\'*}
            rest=${rest#*\'}
            ;;
        \"*\"*) rest=${rest#?} && next_double_quoted ;;
        \\?*) rest=${rest#?} && next_character ;;
        [\'\"\\]*) unclosed=yes && rest= ;;
        *) return 0 ;;
        esac
    done
}

# next_double_quoted: moves what is before the next " from $rest to $word. A backslash protects " and itself.
next_double_quoted() {
    while :; do
        plain=${rest%%[\"\\]*}
        word=$word$plain
        rest=${rest#"$plain"}
        case $rest in
        \"*) rest=${rest#?} && return ;;
        \\[\"\\]*) rest=${rest#?} && next_character ;;
        \\*) next_character ;;
        *) unclosed=yes && rest= && return ;;
        esac
    done
}

# next_character: moves the first character of $rest to $word.
next_character() {
    word=$word${rest%"${rest#?}"}
    rest=${rest#?}
}

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

# cannot_use VARIABLE VALUE REASON: reports a wrong setting.
cannot_use() { report "cannot use $1 '$2': $3"; }

# cannot_render VARIABLE VALUE REASON: reports a setting that render-cfg cannot be given.
cannot_render() {
    cannot_use "$1" "$2" "$3; render-cfg is not run"
    unusable=yes
}

# check_pair WORD: a setting of the template.
check_pair() {
    case $1 in *=*) ;; *)
        cannot_render ROLLCALL_SET "$1" "it is not KEY=VALUE; quote a value with blanks: KEY='A B'"
        return
        ;;
    esac
    case ${1%%=*} in '' | [0-9]* | *[!A-Za-z0-9_]*)
        cannot_render ROLLCALL_SET "$1" "a key has letters, digits and '_', and begins with a letter or '_'"
        ;;
    esac
}

# check_least WORD: a guard, ROLE=N or N.
check_least() {
    number=${1##*=}
    role=${1%"$number"}
    case $number in '' | *[!0-9]* | ??????????*) number= ;; esac
    case $role in =) number= ;; esac
    case ${role%=} in *[!A-Za-z0-9_.-]*) number= ;; esac
    [ -n "$number" ] ||
        cannot_render ROLLCALL_MIN_NODES "$1" "write ROLE=N, such as backend=1, with at most nine digits; blanks separate several"
}

# check_command TEXT: the command that checks the configuration.
check_command() {
    rest=$1
    next_word || :
    case $word in '' | *{}*) cannot_render ROLLCALL_CHECK "$1" "it must begin with a program" && return ;; esac
    has_file=
    while next_word; do case $word in *{}*) has_file=yes ;; esac done
    if [ -n "$unclosed" ]; then
        cannot_render ROLLCALL_CHECK "$1" "a quote or a backslash at its end is not complete"
    elif [ -z "$has_file" ]; then
        cannot_render ROLLCALL_CHECK "$1" "it has no {}, the path of the file to check"
    fi
}

case $limit in
0* | *[!0-9]* | ?????*) cannot_use ROLLCALL_STEP_TIMEOUT "$limit" "give whole seconds, 1 to 9999" && exit 2 ;;
esac
# The limit of each wait inside a step. It is shorter than the step's own limit, so that the step can report what it
# waited for.
wait=$((limit / 3 + 1))s

roles=
for role in ${ROLLCALL_ROLES:-backend balancer}; do
    case $role in -* | *[!A-Za-z0-9_.-]*)
        cannot_use ROLLCALL_ROLES "$role" "a role has letters, digits, '_', '.' and '-'; blanks separate several"
        exit 2
        ;;
    esac
    roles="$roles --role $role"
done
[ -n "$roles" ] || { cannot_use ROLLCALL_ROLES "$ROLLCALL_ROLES" "name at least one role" && exit 2; }

unusable=
unclosed=
self=${ROLLCALL_SELF:-}
# The output of uname -n, without a process.
[ -n "$self" ] || read -r self </proc/sys/kernel/hostname || self=$(uname -n)
set -- "$@" --set self="$self"
rest=${ROLLCALL_SET:-}
while [ -z "$unusable" ] && next_word; do
    if [ -z "$unclosed" ]; then check_pair "$word"; else
        cannot_render ROLLCALL_SET "$word" "a quote or a backslash at its end is not complete"
    fi
    set -- "$@" --set "$word"
done
least=
for least in ${ROLLCALL_MIN_NODES:-backend=1}; do
    check_least "$least"
    set -- "$@" --min-nodes "$least"
done
[ -n "$least" ] || cannot_render ROLLCALL_MIN_NODES "$ROLLCALL_MIN_NODES" "write ROLE=N; 0 turns the guard off"
if [ -n "${ROLLCALL_CHECK:-}" ]; then
    check=$ROLLCALL_CHECK
    unclosed=
    check_command "$check"
else
    quote "$haproxy"
    check="$quoted -c"
    # This file makes the check faster and does not change its result.
    export ROLLCALL_CHECK_CFG="$here/check.cfg"
    quote "$ROLLCALL_CHECK_CFG"
    [ ! -r "$ROLLCALL_CHECK_CFG" ] || check="$check -f $quoted"
    check="$check -f {}"
fi
set -- "$@" --template "${ROLLCALL_TEMPLATE:-/etc/rollcall/haproxy.cfg.tera}" --output "$config" \
    --check "$check" --check-timeout "$wait" --lock-timeout "$wait"
