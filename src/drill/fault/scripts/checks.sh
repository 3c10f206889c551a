# Arguments: checks, each with its word and one argument. Each line that comes out is one thing against the fault.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin

disk() {
    [ -d "$1" ] || { echo "$1 is no directory"; return; }
    [ -w "$1" ] || { echo "$1 cannot be written to"; return; }
    [ "$(stat --format=%d "$1")" != "$(stat --format=%d /run)" ] || echo "$1 is on the file system of /run, which undoing needs"
    case $(stat --file-system --format=%T "$1") in
        ext2/ext3 | ext4 | xfs | btrfs | f2fs | tmpfs | overlayfs) ;;
        *) echo "$1 is on $(stat --file-system --format=%T "$1"), which cannot be filled at once" ;;
    esac
    free=$(($(stat --file-system --format=%f "$1") * $(stat --file-system --format=%S "$1")))
    [ $free -ge 1048576 ] || echo "$1 is full already: $free bytes are free"
}

unit() {
    [ "$(systemctl show --property=LoadState --value "$1")" = loaded ] || { echo "there is no unit $1"; return; }
    systemctl --quiet is-active "$1" || echo "$1 does not run: it is $(systemctl is-active "$1")"
}

fencing() {
    timeout 5 crm_node --partition | tr ' ' '\n' | grep -qxF "$1" || echo "$1 is no member now"
    devices=$(timeout 5 stonith_admin --list "$1" 2>&1) || { echo "no fencing to be asked: $devices"; return; }
    ! printf '%s\n' "$devices" | grep -q '^0 ' || echo "no fence device can fence $1"
}

failures() {
    systemctl --quiet is-active pacemaker.service || { echo "pacemaker.service does not run"; return; }
    if timeout 5 cibadmin --query --xpath "//node_state[@uname='$1']//nvpair[starts-with(@name,'fail-count-')]" > /dev/null 2>&1 ||
        timeout 5 crm_mon --one-shot --output-as=xml 2> /dev/null | grep -q "<failure [^>]*node=\"$1\""; then
        echo "the cluster has failures of $1 already, which would be forgotten with ours: 'crm_resource --cleanup --node $1' first"
    fi
}

while [ $# -ge 2 ]; do
    case $1 in
        tool) command -v "$2" > /dev/null || echo "$2 is not installed" ;;
        program) command -v "$2" > /dev/null || echo "there is no program $2" ;;
        unit) unit "$2" ;;
        boots) [ "$(systemctl is-enabled "$2" 2> /dev/null)" = enabled ] ||
            echo "$2 does not start at boot: a node that is fenced for this would not come back" ;;
        resource) timeout 5 cibadmin --query --xpath "//primitive[@id='$2']" > /dev/null 2>&1 ||
            echo "the cluster has no resource $2" ;;
        failures) failures "$2" ;;
        fencing) fencing "$2" ;;
        disk) disk "$2" ;;
        interface) [ -n "$(ip -o link show dev "$2" up 2> /dev/null)" ] || echo "there is no interface $2 that is up" ;;
        filter) printf 'add table inet tidegate_fault\nadd chain inet tidegate_fault out { type filter hook output priority -350; }\n' |
            nft -c -f - > /dev/null 2>&1 || echo "nft cannot drop what is sent here" ;;
        free) for other in /run/tidegate/faults/*/injected.json; do
            [ -e "$other" ] && [ ! -e "${other%injected.json}undone" ] || continue
            other=$(basename "$(dirname "$other")")
            echo "an earlier fault is there: 'tidegate drill undo' ends it, or there 'sh /run/tidegate/faults/$other/undo'"
        done ;;
        *) echo "no such check: $1" ;;
    esac
    shift 2
done
