# Arguments: unit, resource, node. SIGSTOP and not the freezer: to its peers and its manager a hung process is one that is
# there and does nothing, and systemd lets nobody stop a frozen unit.
begin() {
    systemctl kill --signal=STOP "$1" && there "$1"
}
undo() {
    systemctl kill --signal=CONT "$1" 2> /dev/null
    back_in_cluster "$1" "$2" "$3"
}
there() {
    pid=$(systemctl show --property=MainPID --value "$1")
    [ "${pid:-0}" -gt 0 ] && grep -q '^State:.T' "/proc/$pid/status" 2> /dev/null
}
