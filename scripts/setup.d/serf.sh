# serf.sh: the settings of Serf's agent, in /etc/serf/rollcall.json.
#
# Serf reads all *.json in /etc/serf in the order of their names. Of a setting or a tag that several files have, the
# last one counts; handlers and addresses to join add up; a keyring_file and an encrypt_key exclude each other. So
# rollcall.json has only what no other file has, and a contradiction is an error.
#
# usage: . "$lib/serf.sh"    by rollcall-setup, after files.sh
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

serf_dir=/etc/serf
ours=$serf_dir/rollcall.json
edited=
serf_changed=

# read_serf: reads all files of the agent, ours apart. Serf reads those whose names begin with a dot, too.
read_serf() {
    : >"$work/foreign" && : >"$work/own"
    for json in "$serf_dir"/.*.json "$serf_dir"/*.json; do
        is_settings "$json" || continue
        list=$work/foreign
        [ "$json" != "$ours" ] || list=$work/own
        read_settings "$json" "$list"
    done
}

# is_settings PATH: whether Serf reads it. It passes over directories, but not over links.
is_settings() { [ -L "$1" ] || { [ -e "$1" ] && [ ! -d "$1" ]; }; }

# read_settings FILE LIST: appends its settings, or those of the copy that will replace it. A file that cannot be read
# is an error, because Serf would not start with it.
read_settings() {
    if [ -e "$1" ] && [ ! -f "$1" ]; then die 4 "cannot read '$1': it is not a file; move it away"; fi
    from=$work/without/${1##*/}
    [ -f "$from" ] || from=$1
    head -c 1048577 "$from" >"$work/json" 2>"$work/error" ||
        die 4 "cannot read '$1': $(reason); correct it or move it away"
    [ "$(wc -c <"$work/json")" -le 1048576 ] || die 3 "cannot read '$1': it is larger than 1 MiB; move it away"
    jq -s -r --arg file "$1" -f "$lib/settings.jq" "$work/json" >>"$2" 2>"$work/error" ||
        die 3 "cannot read '$1': $(reason), so Serf would not start; correct it or move it away"
    # jq accepts a byte order mark, which Serf does not.
    [ "$(tr -d ' \t\r\n' <"$work/json" | head -c 1)" = "{" ] ||
        die 3 "cannot read '$1': it does not begin with '{', so Serf would not start; correct it or move it away"
}

# foreign KEY, own KEY: the value in the other files, or in ours; foreign_file KEY: the file that has it.
foreign() { awk -F '\t' -v key="$1" '$2 == key { value = $3 } END { print value }' "$work/foreign"; }
own() { awk -F '\t' -v key="$1" '$2 == key { print $3 }' "$work/own"; }
foreign_file() { awk -F '\t' -v key="$1" '$2 == key { file = $1 } END { print file }' "$work/foreign"; }

# agree KEY VALUE ADVICE: ends the script if another file has another value.
agree() {
    there=$(foreign "$1")
    [ -z "$there" ] || [ "$there" = "$2" ] ||
        die 3 "cannot set $1 to '$2': '$(foreign_file "$1")' has '$(printf %.80s "$there")'; $3"
}

# decide_serf: the role, port and addresses from the options, or else from earlier runs or the other files.
decide_serf() {
    # What is written again must be as harmless as an option.
    for setting in 'retry_join[]' advertise tags.port; do
        ! own "$setting" | grep -q '[^][A-Za-z0-9.:_-]' ||
            die 3 "cannot use '$ours': the value of $setting is not an address or a number; correct it or move it away"
    done
    [ -n "$role" ] || role=$(own tags.role)
    [ -n "$role" ] || role=$(foreign tags.role)
    case $role in balancer | backend) ;; '') misused "give --role balancer or --role backend" ;; *)
        misused "the role '$role' is neither balancer nor backend"
        ;;
    esac
    before=$(own tags.role)
    [ "${before:-$role}" = "$role" ] || misused "this machine is a $before already; run rollcall-setup --undo first"
    agree tags.role "$role" "change it there"
    agree role "$role" "remove it there"
    [ -z "$(foreign tags_file)" ] ||
        die 3 "cannot set tags: '$(foreign_file tags_file)' has a tags_file, which excludes them; remove it there"
    if [ "$role" = backend ]; then decide_backend; elif [ -n "$port" ]; then
        misused "--port is for a backend; it is the port of its web server"
    fi
    [ -n "$join" ] || join=$(own 'retry_join[]')
    [ -n "$advertise" ] || advertise=$(own advertise)
    [ -z "$advertise" ] || agree advertise "$advertise" "change it there"
}

decide_backend() {
    [ -z "$bind" ] || misused "--bind is for a balancer"
    [ -z "$watch" ] || misused "--watch and --no-watch are for a balancer"
    if [ -n "$port" ]; then agree tags.port "$port" "change it there"; else port=$(own tags.port); fi
    [ -n "$port" ] || port=$(foreign tags.port)
    [ -n "$port" ] || port=3000
    [ -n "$join$(own 'retry_join[]')$(foreign 'retry_join[]')$(foreign 'start_join[]')" ] ||
        misused "give --join with the balancer's address or name"
}

# handlers: the commands of the handlers that other files name.
handlers() { awk -F '\t' '$2 == "event_handlers[]" { sub(/^[^\/]*=/, "", $3); print $3 }' "$work/foreign"; }

# entry KEY JSON: a line of our file; setting KEY JSON: the same, unless another file has the setting.
entry() {
    printf '%s  "%s": %s' "$before" "$1" "$2"
    before=",
"
}
setting() { [ -n "$(foreign "$1")" ] || entry "$1" "$2"; }

# tags: the tags that no other file has.
tags() {
    list=
    [ -n "$(foreign tags.role)" ] || list="\"role\": \"$role\""
    [ "$role" = balancer ] || [ -n "$(foreign tags.port)" ] || list="${list:+$list, }\"port\": \"$port\""
    printf '{%s}' "$list"
}

# render_ours: prints our file.
render_ours() {
    before="{
"
    entry tags "$(tags)"
    [ "$role" = backend ] || render_balancer
    seeds=
    for host in $join; do seeds="${seeds:+$seeds, }\"$host\""; done
    [ -z "$seeds" ] || entry retry_join "[$seeds]"
    setting retry_interval '"2s"'
    setting leave_on_terminate true
    [ -z "$advertise" ] || setting advertise "\"$advertise\""
    [ -n "$(foreign keyring_file)" ] || setting encrypt_key "\"$key\""
    printf '\n}\n'
}

# render_balancer: the settings of a balancer. The handler's command checks whether the handler exists, so that events
# do not fail after the package was removed.
render_balancer() {
    handler=$libexec/serf-handler
    events=member-join,member-leave,member-failed,member-update,member-reap
    handlers | grep -Fxq "$handler" ||
        entry event_handlers "[\"$events=[ ! -x $handler ] || exec $handler\"]"
    setting snapshot_path '"/var/lib/rollcall/serf.snapshot"'
    setting rejoin_after_leave true
    setting disable_name_resolution true
}

# decide_ours: what our file will be. One that was changed by hand stays as long as nothing else is to be written.
decide_ours() {
    render_ours >"$work/rollcall.json"
    if [ ! -e "$ours" ] || ! is_edited "$ours" || cmp -s "$work/rollcall.json" "$ours"; then return 0; fi
    cmp -s "$work/rollcall.json" "$(last "$ours")" ||
        die 3 "cannot write '$ours': it was changed by hand; move your settings to another *.json there and remove it"
    say "$ours was changed by hand, and stays as it is"
    edited=yes
}

# put_serf: writes the key and our file.
put_serf() {
    printf '%s\n' "$key" >"$work/key"
    if ! cmp -s "$work/key" "$key_file" && step "write the cluster's key to $key_file"; then
        make_directory "${key_file%/*}" 755
        mark_serf
        install_file "$key_file" 600 "$work/key"
    fi
    [ -n "$edited" ] || put_marked "$ours" "$work/rollcall.json"
}

# put_marked FILE NEW: like put, and remembers that the agent must be started again.
put_marked() {
    cmp -s "$2" "$1" || mark_serf
    put "$1" 600 "$2"
}

# mark_serf: records which agents run with the old files.
mark_serf() {
    serf_changed=yes
    [ -n "$dry" ] || agents 2>"$work/error" >"$must_restart" || cannot_write "$must_restart"
}
