# takeover.sh: replaces an installation that was made by hand, as docs/installation.md describes it.
#
# Its programs and units would hide those of the package, and its handler would run beside ours. They are renamed, so
# that --undo can put them back. Records in /nodes stay in use.
#
# usage: . "$lib/takeover.sh"    by rollcall-setup, after services.sh
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

units_dir=/etc/systemd/system

# units_by_hand: the units that hide the package's. A unit that runs the package's programs stays.
units_by_hand() {
    for unit in rollcall.timer rollcall.service rollcall-watch.service rollcall-rejoin.timer rollcall-rejoin.service; do
        { [ -f "$units_dir/$unit" ] && [ ! -L "$units_dir/$unit" ] && [ -f "$units_home/$unit" ]; } || continue
        grep -q "$libexec/" "$units_dir/$unit" || echo "$unit"
    done
}

# files_by_hand: the paths of everything else that is renamed.
files_by_hand() {
    dropin=serf.service.d/rollcall.conf
    [ ! -f "$units_dir/$dropin" ] || [ ! -f "$units_home/$dropin" ] || echo "$units_dir/$dropin"
    [ "$libexec" = /usr/libexec/rollcall ] || return 0
    for program in member-join member-leave render-cfg reload-haproxy autoscale autoscale-apply; do
        [ ! -f "/usr/local/bin/$program" ] || [ ! -x "/usr/bin/$program" ] || echo "/usr/local/bin/$program"
    done
    [ ! -d /usr/local/lib/rollcall ] || echo /usr/local/lib/rollcall
}

# decide_takeover: ends the script if something cannot be replaced.
decide_takeover() {
    units_by_hand >"$work/units"
    files_by_hand >"$work/files"
    { sed "s|^|$units_dir/|" "$work/units" && cat "$work/files"; } >"$work/moves"
    while IFS= read -r path; do
        [ ! -e "$path$kept" ] || die 3 "cannot move '$path' away: '$path$kept' exists; remove one of them"
    done <"$work/moves"
    mkdir -p "$work/without"
    for json in "$serf_dir"/.*.json "$serf_dir"/*.json; do
        if [ "$json" != "$ours" ] && is_settings "$json"; then leave_out_handler "$json"; fi
    done
    [ -z "$(ls -A "$work/without")" ] || read_serf
}

# leave_out_handler FILE: if a serf-handler in it is not ours, makes a copy without it, which read_serf then reads.
leave_out_handler() {
    without=$work/without/${1##*/}
    { jq . "$1" >"$work/json" && jq --arg ours "$libexec/serf-handler" -f "$lib/handlers.jq" "$1" >"$without"; } \
        2>"$work/error" || die 4 "cannot take the old serf-handler out of '$1': $(reason)"
    ! cmp -s "$work/json" "$without" || rm "$without"
}

# take_over: renames and rewrites what decide_takeover has found.
take_over() {
    while IFS= read -r unit <&3; do
        say "$units_dir/$unit was installed by hand, and hides the package's"
        disable_unit "$unit"
        move_away "$units_dir/$unit"
    done 3<"$work/units"
    for copy in "$work/without"/.*.json "$work/without"/*.json; do
        [ -f "$copy" ] || continue
        json=$serf_dir/${copy##*/}
        say "$json has a serf-handler that was installed by hand"
        mark_serf
        # Compared with jq's form of the old file, so that only the handler's lines are shown.
        jq . "$json" >"$work/json"
        put "$json" "$(stat -L -c %a "$json")" "$copy" "$work/json"
    done
    while IFS= read -r path <&3; do
        case $path in "$units_dir"/*) mark_serf ;; esac
        move_away "$path"
    done 3<"$work/files"
}
