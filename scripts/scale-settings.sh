#!/bin/sh
# scale-settings.sh: the settings of autoscale-run, and how it asks `autoscale` for the number.
#
# usage: . "$here/scale-settings.sh"    by a script that has sourced scale-command.sh
# needs: scale-command.sh and run-limited beside it; autoscale; with --dry-run cp, mktemp and rm
# shellcheck disable=SC1003,SC2034,SC2154 # a backslash is meant; the variables are for or from the script that sources this

# check_seconds VARIABLE VALUE: ends the script unless it is a number of seconds.
check_seconds() { case $2 in '' | 0* | *[!0-9]* | ?????*) cannot_use "$1" "$2" "give whole seconds, 1 to 9999" ;; esac }

# read_settings: reads commands and limits from the environment.
read_settings() {
    scale_limit=${ROLLCALL_SCALE_TIMEOUT:-120}
    check_seconds ROLLCALL_SCALE_TIMEOUT "$scale_limit"
    step_limit=${ROLLCALL_STEP_TIMEOUT:-30}
    check_seconds ROLLCALL_STEP_TIMEOUT "$step_limit"
    drain_limit=${ROLLCALL_DRAIN_LIMIT:-60}
    check_seconds ROLLCALL_DRAIN_LIMIT "$drain_limit"
    # For lock.sh: the other run may look twice, and end a command that takes too long.
    limit=$((scale_limit + 2 * step_limit + 30))
    [ -n "${ROLLCALL_SCALE_COMMAND:-}" ] || cannot_use ROLLCALL_SCALE_COMMAND '' "it is not set; docs/autoscale.md has examples"
    read_command ROLLCALL_SCALE_COMMAND "$ROLLCALL_SCALE_COMMAND" "the number"
    scale_words=$words
    read_command ROLLCALL_STOP_COMMAND "${ROLLCALL_STOP_COMMAND:-}" "the server's name"
    stop_words=$words
    read_command ROLLCALL_DRAIN_COMMAND "${ROLLCALL_DRAIN_COMMAND:-}" "the server's name"
    drain_words=$words
    [ -z "$drain_words" ] || [ -n "$stop_words" ] ||
        cannot_use ROLLCALL_DRAIN_COMMAND "$ROLLCALL_DRAIN_COMMAND" "set ROLLCALL_STOP_COMMAND, too"
    read_command ROLLCALL_COUNT_COMMAND "${ROLLCALL_COUNT_COMMAND:-}"
    count_words=$words
    read_command ROLLCALL_AUTOSCALE "${ROLLCALL_AUTOSCALE:-autoscale}"
}

# read_command VARIABLE VALUE [PLACE]: sets $words to the command's words, quoted; none if the value is empty. Ends the
# script if the command cannot run. PLACE says what stands in place of `{}`, which the command must contain.
read_command() {
    split "$2" || cannot_use "$1" "$2" "missing closing quote"
    [ -n "$2" ] || return 0
    [ -n "$words" ] || cannot_use "$1" "$2" "it has no words"
    [ -z "${3:-}" ] || case $2 in *'{}'*) ;; *) cannot_use "$1" "$2" "it does not contain '{}'; put it in place of $3" ;; esac
    check_program "$first" || cannot_use "$1" "$2" "'$first' $reason"
}

# split TEXT: splits it into words as a shell does, and does nothing else that a shell does. Sets $words to the quoted
# words, and $first to the first one. Returns 1 if a quote is not closed.
split() {
    left=$1
    words=''
    first=''
    word=''
    begun=''
    open=''
    while [ -n "$left" ]; do
        take
        case $open$char in
        "''" | '""') open= ;;
        '"\') case $left in [\"\\\$\`]*) take ;; esac && word=$word$char ;;
        [\'\"]?*) word=$word$char ;;
        [\'\"]) open=$char begun=yes ;;
        '\') take && word=$word$char begun=yes ;;
        ' ' | '	' | "$newline") end_word ;;
        *) word=$word$char begun=yes ;;
        esac
    done
    [ -z "$open" ] || return 1
    end_word
}

# take: moves the first character of $left to $char.
take() {
    char=${left%"${left#?}"}
    left=${left#?}
}

end_word() {
    [ -n "$begun" ] || return 0
    [ -n "$words" ] || first=$word
    quote "$word"
    # `{}` alone needs no quotes, and the log is easier to read.
    case $word in *'{}'*) bare=${word%%'{}'*}-${word#*'{}'} && quote "$bare" ;; esac
    case $word in *'{}'*) if [ "$quoted" = "$bare" ]; then quoted=$word; else quote "$word"; fi ;; esac
    words="${words:+$words }$quoted"
    word=''
    begun=''
}

# read_options OPTION...: sets $asking and $listing, the commands that ask for the number and for the servers, whose
# first words are $words.
read_options() {
    asking="$words --json"
    listing="$words --servers --time-limit ${step_limit}s"
    given=' '
    is_value=''
    for option in "$@"; do
        quote "$option"
        asking="$asking $quoted"
        given="$given${option%%=*} "
        # All other options are only about the number.
        case $is_value:$option in
        yes:* | :--backend=* | :--socket=* | :--timeout=*) is_value='' && listing="$listing $quoted" ;;
        :--backend | :--socket | :--timeout) is_value=yes && listing="$listing $quoted" ;;
        esac
    done
    add_option --time-limit "${step_limit}s"
    [ -z "$dry" ] || { copy_state && return; }
    add_option --state "$state/autoscale.json"
    add_option --log "$log"
    add_option --log-state "$state/autoscale.faults"
}

# add_option NAME VALUE: adds it to $asking unless it was given.
add_option() {
    quote "$2"
    case $given in *" $1 "*) ;; *) asking="$asking $1 $quoted" ;; esac
}

# copy_state: --dry-run goes on with a copy of what `autoscale` remembers, and changes neither that nor the log. On
# another machine or in a container there is no copy: then the number is what the moment asks for.
copy_state() {
    [ -z "${ROLLCALL_AUTOSCALE:-}" ] || return 0
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    [ ! -f "$state/autoscale.json" ] || cp "$state/autoscale.json" "$scratch"
    add_option --state "$scratch/autoscale.json"
}

# count_servers: sets $counted to the option with the number that the engine runs. Returns 1 if it cannot be found.
count_servers() {
    counted=''
    [ -n "$count_words" ] || return 0
    code=0
    engine=$(eval "\"\$here/run-limited\" $step_limit $count_words" 9>&-) || code=$?
    case $code:$engine in
    0: | 0:*[!0-9]* | 0:0?* | 0:???????*) fault "cannot count the servers: ROLLCALL_COUNT_COMMAND printed '$engine' and not a number" ;;
    0:*) counted="--count $((engine > own ? engine - own : 0))" && return 0 ;;
    *) fault "cannot count the servers: ROLLCALL_COUNT_COMMAND ended with exit code $code" ;;
    esac
    return 1
}

# ask: sets $wanted, $count and $reason, and $code to the exit code. $sure is empty if the numbers may be too low.
# Returns 1 if there are none.
ask() {
    sure=yes
    count_servers || sure=''
    code=0
    answer=$(eval "\"\$here/run-limited\" $((step_limit + 5)) $asking $counted" 2>&1 9>&-) || code=$?
    [ "$code" -eq 0 ] || sure=''
    json=''
    complaint=''
    while IFS= read -r line; do
        case $line in '{"wanted":'*) json=$line ;; ?*) complaint=$complaint$line$newline ;; esac
    done <<EOF
$answer
EOF
    # A service prints once what lasts. The log has it from `autoscale` itself.
    [ "$complaint" = "$complained" ] || printf '%s' "$complaint" >&2
    complained=$complaint
    read_answer
}

# read_answer: reads the first fields of the JSON, which stay where they are, and the last one.
read_answer() {
    wanted=${json#'{"wanted":'}
    count=${wanted#*,'"count":'}
    wanted=${wanted%%,*}
    count=${count%%,*}
    reason=${json##*'"reason":"'}
    reason=${reason%'"}'}
    case $wanted:$count in *[!0-9:]* | :* | *: | *???????:* | *:???????*) ;; *) return 0 ;; esac
    case $code in
    124) fault "cannot ask 'autoscale': it did not answer within $((step_limit + 5)) s" && code=1 ;;
    [1-7]) ;;
    *) fault "cannot ask 'autoscale': it ended with exit code $code and without a number" && code=1 ;;
    esac
    return 1
}
