# files.sh: how rollcall-setup changes files, and the journal from which --undo puts them back.
#
# Each entry of the journal is written before the change that it describes, so --undo finds every change, even after a
# kill. A file is written beside its place and renamed. The entries are `made FILE`, `saved FILE` (its first content is
# in FILE.before-rollcall), `moved FILE` (to FILE.before-rollcall), `set LINE` (in the default file), `enabled UNIT` and
# `disabled UNIT`.
#
# usage: . "$lib/files.sh"    by rollcall-setup
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

kept=.before-rollcall
state=/var/lib/rollcall/setup
journal=$state/journal

# open_work: makes $work, a private directory that holds keys for a moment, and keeps other runs out. A run that was
# killed leaves it behind, for the next one to remove.
open_work() {
    if [ -n "$dry" ]; then
        work=$(mktemp -d) || die 4 "cannot create a temporary directory"
    else
        work=/run/rollcall-setup
        # Anyone who can read it can lock it.
        (umask 077 && true >>"$work.lock") 2>/dev/null || die 4 "cannot write '$work.lock'"
        exec 9>>"$work.lock"
        # A process that a killed run had started may hold it for a moment.
        timeout 30 flock 9 || die 7 "another rollcall-setup has been running for 30 s; wait for it"
        { rm -rf "$work" && (umask 077 && mkdir "$work"); } || die 4 "cannot create '$work'"
    fi
    trap 'rm -rf "$work"' EXIT
    trap 'exit 143' HUP INT TERM
}

# open_state: makes the directory of the journal.
open_state() {
    make_directory /var/lib/rollcall 750
    make_directory "$state" 700
}

cannot_write() { die 4 "cannot write '$1': $(reason); nothing is lost: correct it and run this again"; }

# make_directory DIRECTORY MODE: only if it does not exist.
make_directory() {
    [ ! -d "$1" ] || return 0
    [ -z "$dry" ] || return 0
    { mkdir -p "$1" && chmod "$2" "$1"; } 2>"$work/error" || die 4 "cannot create '$1': $(reason)"
}

# note ENTRY: adds it to the journal, once.
note() {
    ! noted "$1" || return 0
    # A full disk may have cut off the last line, which must not swallow this one.
    gap=
    [ -z "$(tail -c 1 "$journal" 2>/dev/null)" ] || gap="
"
    { printf '%s\n' "$gap$1" >>"$journal"; } 2>"$work/error" || cannot_write "$journal"
}

# noted ENTRY: whether it is in the journal. It may contain a key, so it is not on a command line.
noted() { [ -e "$journal" ] && printf '%s\n' "$1" | grep -Fxq -f - "$journal"; }

# last FILE: the path of a copy of what was last written to FILE.
last() { printf '%s/last%s' "$state" "$(printf %s "$1" | tr / %)"; }

# install_file FILE MODE NEW: replaces FILE by a copy of NEW in one step. The owner stays.
install_file() {
    {
        rm -f "$1.rollcall-new" && { [ ! -e "$1" ] || cp -p "$1" "$1.rollcall-new"; } &&
            (umask 077 && true >>"$1.rollcall-new") && chmod "$2" "$1.rollcall-new" &&
            cat "$3" >"$1.rollcall-new" && sync "$1.rollcall-new" && mv -f "$1.rollcall-new" "$1"
    } 2>"$work/error" || {
        rm -f "$1.rollcall-new" 2>/dev/null || :
        cannot_write "$1"
    }
}

# put FILE MODE NEW [OLD]: writes it if its content differs, and shows how, or how NEW differs from OLD.
put() {
    if cmp -s "$3" "$1"; then
        remember "$1" "$3"
        return 0
    fi
    if [ $# -gt 3 ]; then compare "$4" "$3" "$1"; else show_diff "$1" "$3"; fi
    step "write $1" || return 0
    if [ -e "$1" ]; then save "$1"; else note "made $1"; fi
    install_file "$1" "$2" "$3"
    remember "$1" "$3"
}

# remember FILE NEW: keeps a copy, from which a later run knows whether the file was changed by hand.
remember() {
    [ -z "$dry" ] && ! cmp -s "$2" "$(last "$1")" || return 0
    install_file "$(last "$1")" 600 "$2"
}

# is_edited FILE: whether it is not what was last written.
is_edited() { [ -e "$(last "$1")" ] && ! cmp -s "$1" "$(last "$1")"; }

# save FILE: keeps a copy of a file that we did not make, the first time.
save() {
    ! noted "made $1" || return 0
    note "saved $1"
    [ ! -e "$1$kept" ] || return 0
    say "keep the old $1 as $1$kept"
    { rm -f "$1.rollcall-new" && cp -p "$1" "$1.rollcall-new" && mv "$1.rollcall-new" "$1$kept"; } 2>"$work/error" ||
        cannot_write "$1$kept"
}

# move_away PATH: renames it.
move_away() {
    step "move $1 to $1$kept" || return 0
    note "moved $1"
    mv "$1" "$1$kept" 2>"$work/error" || die 4 "cannot move '$1': $(reason)"
}
