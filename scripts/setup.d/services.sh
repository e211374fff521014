# services.sh: what rollcall-setup does with units, and when it starts the agent again.
#
# Where systemd does not run, as in a container or a chroot, units are only enabled, and the commands that remain are
# printed. The agent is started again only if its files changed after it had started.
#
# usage: . "$lib/services.sh"    by rollcall-setup, after serf.sh
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

units_home=/usr/lib/systemd/system
[ -d "$units_home" ] || units_home=/lib/systemd/system
must_restart=$state/serf-must-restart
# Whether a dry run would restart the agent.
waits=

has_systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null; }

# control VERB [UNIT]: systemctl, with its first error in ours.
control() {
    systemctl --quiet "$@" 2>"$work/error" </dev/null ||
        die 1 "cannot run 'systemctl $*': $(reason)${2:+; see: systemctl status $2}"
}

# is_enabled UNIT: false for a static unit, which cannot be disabled.
is_enabled() { [ "$(systemctl is-enabled "$1" 2>/dev/null)" = enabled ]; }

# enable_unit UNIT: at each start of the machine and now.
enable_unit() {
    command -v systemctl >/dev/null || { remains "enable $1, or what your init has for it" && return 0; }
    if ! is_enabled "$1"; then
        ! step "enable $1" || { note "enabled $1" && control enable "$1"; }
    fi
    has_systemd || { remains "systemctl start $1" && return 0; }
    systemctl --quiet is-active "$1" || ! step "start $1" || control start "$1"
}

# disable_unit UNIT: if it is enabled or runs.
disable_unit() {
    command -v systemctl >/dev/null || return 0
    if is_enabled "$1"; then
        ! step "disable $1" || { note "disabled $1" && control disable "$1"; }
    fi
    ! has_systemd || ! systemctl --quiet is-active "$1" || ! step "stop $1" || control stop "$1"
}

# info: the agent's answer without blanks, such as "role":"balancer"; empty if it does not answer. Serf prints errors on
# stdout.
info() {
    output=$(with_settings serf info -format=json 2>/dev/null) || return 0
    printf %s "$output" | tr -d ' \n'
}

# restart_serf: if its files have changed since it started, or if it does not run.
restart_serf() {
    if [ -e "$must_restart" ] && has_restarted; then rm -f "$must_restart"; fi
    [ -e "$must_restart" ] || [ -n "$serf_changed" ] || is_stale || has_old_settings serf.service || return 0
    if ! has_systemd; then
        remains "start the Serf agent again: serf agent -config-dir=$serf_dir, with the settings of $defaults"
        return 0
    fi
    step "restart serf" || { waits=yes && return 0; }
    control daemon-reload
    control restart serf.service
    wait_for_agent
    rm -f "$must_restart"
}

# restart_watch: the service of the second wiring, if it has other settings than the file.
restart_watch() {
    [ -n "$(value_of ROLLCALL_ONLY_RECORD)" ] && has_systemd && systemctl --quiet is-active rollcall-watch.service || return 0
    has_old_settings rollcall-watch.service || ! cmp -s "$work/default" "$defaults" || return 0
    step "restart rollcall-watch.service" || return 0
    control restart rollcall-watch.service
}

# has_old_settings UNIT: whether the settings of the balancer were changed after systemd had started the unit.
has_old_settings() {
    has_systemd && [ "$role" = balancer ] && [ -e "$defaults" ] || return 1
    since=$(systemctl show --timestamp=unix -P ActiveEnterTimestamp "$1" 2>/dev/null) || return 1
    since=${since#@}
    case $since in '' | *[!0-9]*) return 1 ;; esac
    [ "$(stat -L -c %Y "$defaults")" -gt "$since" ]
}

# is_stale: whether the agent does not run as our files say.
is_stale() {
    agent_info=$(info)
    case $agent_info in *"\"role\":\"$role\""*) ;; *) return 0 ;; esac
    [ "$role" = backend ] || case $agent_info in *"$libexec/serf-handler\""*) ;; *) return 0 ;; esac
    case $agent_info in *'"encrypted":"true"'*) return 1 ;; esac
}

wait_for_agent() {
    tries=50
    until [ -n "$(info)" ] || [ "$tries" -eq 0 ]; do
        tries=$((tries - 1))
        sleep 0.2 2>/dev/null || sleep 1
    done
}

# agents: the Serf agents of this machine, a line for each: its process id, and when it started.
agents() {
    for process in /proc/[0-9]*; do
        tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -Eq '^[^ ]*serf agent ' || continue
        # Field 22; the name, field 2, may contain blanks.
        echo "${process##*/} $(sed 's/.*) //' "$process/stat" 2>/dev/null | cut -d ' ' -f 20)"
    done
}

# has_restarted: whether an agent runs that did not run with the old files.
has_restarted() {
    agents >"$work/agents"
    while IFS= read -r agent; do
        grep -Fxq -e "$agent" "$must_restart" || return 0
    done <"$work/agents"
    return 1
}
