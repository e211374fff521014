# defaults.sh: the settings in /etc/default/rollcall. A line that is there and that we did not write stays.
#
# usage: . "$lib/defaults.sh"    by rollcall-setup, after serf.sh
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

defaults=/etc/default/rollcall

# read_defaults: begins with the file as it is.
read_defaults() {
    : >"$work/default" && : >"$work/lines"
    [ ! -e "$defaults" ] || cat "$defaults" 2>"$work/error" >"$work/default" ||
        die 4 "cannot read '$defaults': $(reason)"
    # A shell ends such a value at the blank, and systemd does not.
    names='ROLLCALL_[A-Z_]+|SERF_RPC_[A-Z]+|NODES_DIR'
    number=$(grep -nE "^[[:space:]]*($names)=(\"[^\"]*\"|'[^']*'|[^\"'[:space:]]*)[[:space:]]+[^[:space:]]" \
        "$work/default" | head -n 1 | cut -d : -f 1)
    [ -z "$number" ] || die 2 "cannot use '$defaults': line $number has text after a blank; put \"...\" around the value"
    # shellcheck source=/dev/null
    (. "$work/default") >/dev/null 2>"$work/error" ||
        die 2 "cannot use '$defaults': $(reason); write a line NAME=VALUE for each setting"
}

# with_settings COMMAND...: runs it with the settings that the file will have.
with_settings() (
    set -a
    # shellcheck source=/dev/null
    . "$work/default"
    set +a
    "$@"
)

# value_of NAME, line_of NAME: its value, and the line that sets it.
value_of() { with_settings eval "printf %s \"\${$1:-}\""; }
line_of() { sed -n "s/^[[:space:]]*\($1=.*\)/\1/p" "$work/default" | tail -n 1; }

# want LINE: sets a variable, after a comment that names it if there is one. A line that the user wrote stays; then it
# returns 1.
want() {
    there=$(line_of "${1%%=*}")
    [ "$there" != "$1" ] || return 0
    if [ -n "$there" ]; then
        noted "set $there" || return 1
        drop "$there"
    fi
    echo "set $1" >>"$work/lines"
    LINE=$1 awk 'BEGIN { line = ENVIRON["LINE"]; name = line; sub(/=.*/, "=", name) }
        { print }
        !done && $0 ~ "^#[ ]*" name { print line; done = 1 }
        END { if (!done) print line }' "$work/default" >"$work/default.new"
    mv "$work/default.new" "$work/default"
}

# drop LINE: removes it. It may contain a key, so it is not on a command line.
drop() {
    printf '%s\n' "$1" | grep -Fxv -f - "$work/default" >"$work/default.new" || :
    mv "$work/default.new" "$work/default"
}

# unwant NAME: removes its line, if we wrote that.
unwant() {
    there=$(line_of "$1")
    [ -n "$there" ] || return 0
    noted "set $there" || return 1
    drop "$there"
}

# decide_defaults: the settings that follow from the other decisions.
decide_defaults() {
    [ -n "$(value_of NODES_DIR)" ] || [ -d /nodes ] || want NODES_DIR=/var/lib/rollcall/nodes
    [ "$role" = backend ] || decide_balancer_defaults
    seeds=
    for host in $join; do seeds="${seeds:+$seeds }$host"; done
    [ -z "$seeds" ] || want "ROLLCALL_JOIN=\"$seeds\"" ||
        die 2 "cannot set ROLLCALL_JOIN: '$defaults' has another value that was written by hand; remove that line"
}

decide_balancer_defaults() {
    # Balancers need the same cookie key: otherwise a visitor who comes to another balancer gets another server. They
    # all have the cluster's key, which cannot be computed from its hash.
    cookie=$(printf 'cookie %s' "$key" | sha256sum)
    want "ROLLCALL_COOKIE_KEY=${cookie%% *}" || :
    set_line="state_file=/run/haproxy/servers.state"
    if [ -n "$bind" ]; then
        want "ROLLCALL_SET=\"bind=$bind $set_line\"" || case " $(value_of ROLLCALL_SET) " in *" bind=$bind "*) ;; *)
            die 2 "cannot set bind=$bind: '$defaults' has a ROLLCALL_SET that was written by hand; add it there"
            ;;
        esac
    elif [ -z "$(line_of ROLLCALL_SET)" ]; then
        want "ROLLCALL_SET=\"$set_line\""
    fi
    case $watch in
    yes) [ -n "$(value_of ROLLCALL_ONLY_RECORD)" ] || want ROLLCALL_ONLY_RECORD=1 || : ;;
    no) unwant ROLLCALL_ONLY_RECORD || die 2 "cannot unset ROLLCALL_ONLY_RECORD: '$defaults' has it; remove it there" ;;
    esac
}

# put_defaults: writes the file. Its old content needs no copy, because the journal has the lines that are added.
put_defaults() {
    ! cmp -s "$work/default" "$defaults" || return 0
    show_diff "$defaults" "$work/default"
    mark_serf
    step "write $defaults" || return 0
    [ -e "$defaults" ] || note "made $defaults"
    while IFS= read -r entry; do note "$entry"; done <"$work/lines"
    make_directory "${defaults%/*}" 755
    install_file "$defaults" 600 "$work/default"
}
