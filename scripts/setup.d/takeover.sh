# takeover.sh: replaces an installation that was made by hand, as docs/installation.md describes it.
#
# Its programs and units would hide those of the package, and its handler would run beside ours. Everything is renamed, so
# --undo can put it back. Records in /nodes stay in use.
#
# usage: . "$lib/takeover.sh"    by rollcall-setup, after services.sh
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

units_dir=/etc/systemd/system
units="rollcall.timer rollcall.service rollcall-watch.service rollcall-rejoin.timer rollcall-rejoin.service"

# take_over: does nothing if there is no such installation.
take_over() {
    for unit in $units; do take_unit "$unit"; done
    dropin=$units_dir/serf.service.d/rollcall.conf
    if [ -f "$dropin" ] && [ -f "$units_home/serf.service.d/rollcall.conf" ]; then move_marked "$dropin"; fi
    for json in "$serf_dir"/*.json; do
        [ "$json" = "$ours" ] || ! has_old_handler "$json" || take_handler "$json"
    done
    [ "$libexec" = /usr/libexec/rollcall ] || return 0
    for program in member-join member-leave render-cfg reload-haproxy autoscale autoscale-apply; do
        [ ! -f "/usr/local/bin/$program" ] || [ ! -x "/usr/bin/$program" ] || move_away "/usr/local/bin/$program"
    done
    [ ! -d /usr/local/lib/rollcall ] || move_away /usr/local/lib/rollcall
}

# take_unit UNIT: one in /etc hides the package's. One that runs our programs was written for this package, and stays.
take_unit() {
    { [ -f "$units_dir/$1" ] && [ ! -L "$units_dir/$1" ] && [ -f "$units_home/$1" ]; } || return 0
    ! grep -q "$libexec/" "$units_dir/$1" || return 0
    say "$units_dir/$1 was installed by hand, and hides the package's"
    disable_unit "$1"
    move_away "$units_dir/$1"
}

move_marked() {
    mark_serf
    move_away "$1"
}

# has_old_handler FILE: whether a handler in it is a serf-handler that is not ours.
has_old_handler() {
    awk -F '\t' -v file="$1" '$1 == file && $2 == "event_handlers[]" { print $3 }' "$work/foreign" |
        grep -v "[=]$libexec/serf-handler\$" | grep -q '/serf-handler$'
}

# take_handler FILE: writes it again without that handler. Two handlers would do everything twice.
take_handler() {
    say "$1 has a serf-handler that was installed by hand"
    awk '{ text = text $0 "\n" }
        END {
            handler = "\"[^\"\\\\]*/serf-handler\""
            gsub(handler "[ \t\n]*,", "", text)
            gsub(",[ \t\n]*" handler, "", text)
            gsub(handler, "", text)
            printf "%s", text
        }' "$1" >"$work/without.json"
    awk -F '\t' -v file="$1" '$1 == file && !($2 == "event_handlers[]" && $3 ~ /\/serf-handler$/) { print $2, $3 }' \
        "$work/foreign" >"$work/wanted"
    awk -f "$lib/json.awk" "$work/without.json" | awk -F '\t' '{ print $2, $3 }' | cmp -s - "$work/wanted" ||
        die 3 "cannot take the old serf-handler out of '$1'; remove it from event_handlers there"
    mode=$(stat -c %a "$1")
    mark_serf
    put "$1" "$mode" "$work/without.json"
    # From here on the rest of the script sees the file without it.
    awk -F '\t' -v file="$1" '!($1 == file && $2 == "event_handlers[]" && $3 ~ /\/serf-handler$/)' "$work/foreign" \
        >"$work/foreign.new" && mv "$work/foreign.new" "$work/foreign"
}
