# output.sh: what rollcall-setup prints. A key is never printed.
#
# usage: . "$lib/output.sh"    by rollcall-setup, which sets $dry and $work
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

changed=
say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "rollcall-setup: $(printf %s "$*" | tr '\n' ' ')" >&2; }

# die CODE MESSAGE: ends with an error. What has been done so far stays, and the next run goes on from there.
die() {
    code=$1
    shift
    warn "$*"
    exit "$code"
}

# step TEXT: announces a step. Returns 1 if it must not be taken.
step() {
    changed=yes
    if [ -n "$dry" ]; then say "would $1" && return 1; fi
    say "$1"
}

# remains COMMAND: a command that the user must run, because systemd does not run here.
remaining=
remains() { remaining="$remaining    $1
"; }

# hide_keys: a filter for text that may contain keys.
hide_keys() {
    # Serf ignores the case of the names of settings.
    sed -e 's/\("[Ee][Nn][Cc][Rr][Yy][Pp][Tt]_[Kk][Ee][Yy]" *: *"\)[^"]*/\1.../' \
        -e 's/\("[Rr][Pp][Cc]_[Aa][Uu][Tt][Hh]" *: *"\)[^"]*/\1.../' \
        -e 's/\(ROLLCALL_COOKIE_KEY=\)..*/\1.../' -e 's/\(SERF_RPC_AUTH=\)..*/\1.../' \
        -e 's/\(cookie_key=\)[^ "'"'"']*/\1.../' \
        -e 's/\(dynamic-cookie-key  *\)..*/\1.../' -e 's/\(stats auth  *[^:]*:\)..*/\1.../' \
        -e 's/\(password  *\)..*/\1.../'
}

# show_diff FILE NEW: how the content NEW differs from FILE.
show_diff() {
    if [ -e "$1" ]; then compare "$1" "$2" "$1"; else compare /dev/null "$2" "$1"; fi
}

# compare OLD NEW NAME: how they differ.
compare() { diff -u -L "$3" -L "$3 (new)" "$1" "$2" | hide_keys; }

# reason: the last part of the first error in $work/error, such as "No space left on device".
reason() {
    line=
    IFS= read -r line <"$work/error" || :
    printf %s "${line##*: }"
}
