# Arguments: unit, resource, node.
begin() {
    systemctl kill --signal=KILL "$1"
}
undo() {
    back_in_cluster "$1" "$2" "$3"
}
there() {
    ! active "$1"
}
