# key.sh: the cluster's key, which all members have in common.
#
# usage: . "$lib/key.sh"    by rollcall-setup, after serf.sh
# shellcheck shell=sh disable=SC2034,SC2154 # the variables are for or from the script that sources this

key_file=/etc/rollcall/serf.key

# decide_key: the key from --key-file, from another file of Serf, or from an earlier run; on a balancer, a new one.
decide_key() {
    there=$(foreign encrypt_key)
    ring=$(foreign keyring_file)
    if [ -n "$ring" ]; then
        [ -r "$ring" ] || die 4 "cannot read the keyring '$ring', which '$(foreign_file keyring_file)' names"
        there=$(jq -r -e 'arrays[0] | strings' "$ring" 2>/dev/null) ||
            die 3 "cannot read the keyring '$ring': it is not a JSON array of keys, so Serf would not start; correct it"
    fi
    if [ -n "$given_key" ]; then
        key=$(read_key "$given_key") || exit
        [ -z "$there" ] || [ "$there" = "$key" ] || die 3 "cannot use the key in '$given_key':" \
            "'${ring:-$(foreign_file encrypt_key)}' has another one; remove it there, or give no --key-file"
        [ -z "$there" ] || return 0
    elif [ -n "$there" ]; then
        key=$there
    elif [ -e "$key_file" ]; then
        key=$(read_key "$key_file") || exit
    elif [ "$role" = backend ]; then
        misused "give --key-file with the balancer's $key_file ('-' reads it from stdin)"
    else
        new_key
    fi
}

# new_key: makes one. A dry run shows no key, and needs none.
new_key() {
    [ -n "$dry" ] || key=$(serf keygen) || die 1 "cannot make a key: 'serf keygen' failed"
    [ -z "$dry" ] || key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
}

# read_key FILE: prints the key in it.
read_key() {
    from=$1
    if [ "$from" = - ]; then
        from=stdin
        text=$(head -c 200)
    else
        if [ -d "$from" ] || [ ! -r "$from" ]; then die 4 "cannot read the key file '$from': no such readable file"; fi
        text=$(head -c 200 "$from")
    fi
    text=$(printf %s "$text" | tr -d '\r')
    case $text in *"
"*) text= ;; esac
    printf '%s\n' "$text" | grep -Exq '[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{32}|[A-Za-z0-9+/]{43}=' ||
        die 3 "cannot use the key in '$from': it is not a key of Serf (16, 24 or 32 bytes as base64); see serf keygen"
    [ "$from" = stdin ] || case $(stat -L -c %a "$from") in
    *[4-7] | *[4-7]?) warn "others can read the key in '$from'; chmod 600 it" ;;
    esac
    printf %s "$text"
}
