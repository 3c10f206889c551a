# Arguments: unit.
begin() {
    systemctl stop "$1"
}
undo() {
    systemctl start "$1"
}
there() {
    ! active "$1"
}
