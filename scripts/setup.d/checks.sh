# checks.sh: whether everything is reachable. Each fault is reported in one line, with what to do.
#
# usage: . "$lib/checks.sh"    by rollcall-setup, after balancer.sh
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

worst=0
# fault CODE MESSAGE: something does not work.
fault() {
    warn "$2"
    [ "$worst" -ne 0 ] || worst=$1
}

check_all() {
    agent_info=$(info)
    for host in $join; do check_name "$host"; done
    if [ -e "$must_restart" ] || [ -n "$waits" ]; then
        # An agent with the old files tells nothing about the new ones: where systemd does not run, and in a dry run.
        :
    elif [ -n "$agent_info" ]; then
        ! check_agent || check_peers
    else
        check_absent_agent
    fi
    if [ "$role" = backend ]; then check_port; else check_haproxy; fi
}

# check_port: whether the web server runs. That is only a hint, because a firewall's rule may pass the port on elsewhere.
check_port() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port="$(printf ':%04X' "$port")" '$4 == "0A" && $2 ~ port "$" && $2 !~ /^(0*010*|0100007F):/ { found = 1 }
            END { exit !found }' ||
        warn "nothing listens on port $port, except perhaps on loopback, so the balancer finds this server down; start \
the web server, or give its port by --port"
}

# check_name HOST: whether the name is known, if it is one. Without getent, check_peer finds out.
check_name() {
    case $1 in *[!0-9.:]*) ;; *) return 0 ;; esac
    case $1 in *:*:* | "["*) return 0 ;; esac
    command -v getent >/dev/null || return 0
    timeout 20 getent ahosts "${1%:*}" >/dev/null 2>&1 ||
        fault 1 "cannot join '$1': the name is not known here; give its address, or add it to /etc/hosts"
}

check_absent_agent() {
    if [ -n "$(foreign rpc_addr)$(foreign rpc_auth)" ] &&
        [ -z "$(value_of SERF_RPC_ADDR)$(value_of SERF_RPC_AUTH)" ]; then
        setter=$(foreign_file rpc_addr)
        fault 1 "cannot ask the Serf agent: '${setter:-$(foreign_file rpc_auth)}' has rpc_addr or rpc_auth; set \
SERF_RPC_ADDR or SERF_RPC_AUTH in '$defaults'"
    elif has_systemd; then
        fault 1 "the Serf agent does not run; see: systemctl status serf"
    elif [ -n "$(agents)" ]; then
        fault 1 "cannot ask the Serf agent: $(with_settings serf info 2>&1 | head -n 1)"
    fi
}

# check_agent: whether the agent runs with our files. Without systemd, say_remaining tells the user to start it again.
check_agent() {
    is_stale || return 0
    has_systemd || return 1
    missing="our role or handler"
    case $agent_info in *'"encrypted":"true"'*) ;; *) missing="a key" ;; esac
    fault 1 "the Serf agent runs without $missing; see: systemctl cat serf, which must have -config-dir=$serf_dir"
    # Without a key, no other member can be joined.
    [ "$missing" != "a key" ]
}

# check_peers: joins each one again, which does no harm, and then checks whether UDP gets through.
check_peers() {
    for host in $join; do check_peer "$host"; done
    if [ "$worst" -ne 0 ] || [ "$(alive)" -le 1 ]; then return 0; fi
    answer=$(with_settings timeout 20 serf reachability 2>&1) || :
    case $answer in *"Successfully contacted all live nodes"*) ;; *)
        fault 1 "not all members answer by UDP; open port 7946, TCP and UDP, between all members"
        ;;
    esac
}

alive() { with_settings serf members -status=alive 2>/dev/null | wc -l; }

check_peer() {
    answer=$(with_settings timeout 20 serf join "$1" 2>&1) && {
        [ "$(alive)" -gt 1 ] || fault 1 "'$1' is this machine itself, or its agent is alone; give --join another member"
        return 0
    }
    why=$(printf %s "$answer" | grep -E '[*]' | head -n 1)
    why=${why#*: }
    case $answer in
    *"could decrypt"* | *"ncryption is not configured"* | *"not encrypted"*)
        fault 1 "cannot join '$1': it has a different key; give --key-file with the key of the other members"
        ;;
    # check_name has reported it, unless there is no getent.
    *"ailed to resolve"* | *"no such host"*)
        [ "$worst" -ne 0 ] || fault 1 "cannot join '$1': the name is not known here; give its address"
        ;;
    *refused*) fault 1 "cannot join '$1': no agent listens there; run rollcall-setup there first" ;;
    *) fault 1 "cannot join '$1': ${why:-no answer}; open port 7946, TCP and UDP, between all members" ;;
    esac
}

check_haproxy() {
    if ! is_ours "$config"; then
        [ -n "$dry" ] || fault 5 "'$config' was not written by render-cfg; run rollcall-setup again"
    fi
    grep -Eq '^[[:space:]]*stats socket .*level admin' "$config" 2>/dev/null || [ -n "$dry" ] ||
        fault 5 "'$config' has no stats socket with 'level admin', so each change needs a reload; add one \
to $(template)"
    runs_haproxy || {
        [ -n "$dry" ] || ! has_systemd || fault 5 "HAProxy does not run; see: systemctl status haproxy"
        return 0
    }
    has_master || fault 5 "HAProxy runs without a master socket, so a reload may lose connections; start it with \
-W -S /run/haproxy-master.sock"
    reload --status >/dev/null 2>&1 || [ -n "$dry" ] ||
        fault 5 "HAProxy does not run '$config'; see: reload-haproxy --status"
}

# has_master: whether a running HAProxy has a master socket.
has_master() {
    for process in /proc/[0-9]*; do
        ! tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -Eq '^[^ ]*haproxy .*-S ' || return 0
    done
    return 1
}
