# What every fault's functions may use. A fault's own file defines begin, undo and there; each gets the fault's arguments.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin

fail() {
    echo "$*" >&2
    exit 1
}

active() {
    systemctl --quiet is-active "$1"
}

# Whether the cluster counts a failure on a node, or lists one.
has_failures() {
    timeout 5 cibadmin --query --xpath "//node_state[@uname='$1']//nvpair[starts-with(@name,'fail-count-')]" > /dev/null 2>&1 && return 0
    timeout 5 crm_mon --one-shot --output-as=xml 2> /dev/null | grep -q "<failure [^>]*node=\"$1\""
}

# Has the cluster forget what failed on a node because of the fault: there was nothing else, or it had not begun.
forget_failures() {
    [ -n "$1" ] || return 0
    tries=0
    while active pacemaker.service && [ $tries -lt 20 ]; do
        tries=$((tries + 1))
        if [ "$(timeout 5 crm_node --quorum 2> /dev/null)" = 1 ]; then
            has_failures "$1" || return 0
            timeout 15 crm_resource --cleanup --node "$1" > /dev/null 2>&1
        fi
        sleep 1
    done
    return 0
}

# Waits until the cluster has a service back on a node. It believes in a unit that died until its next monitor, so it is
# made to look.
back_in_cluster() {
    unit=$1 resource=$2 node=$3 tries=0
    while ! active "$unit" && [ $tries -lt 40 ]; do
        if [ $((tries % 10)) -eq 0 ]; then
            timeout 15 crm_resource --refresh --resource "$resource" --node "$node" > /dev/null 2>&1
        fi
        tries=$((tries + 1))
        sleep 1
    done
    active "$unit" || fail "the cluster has not started $unit again"
    forget_failures "$node"
}
