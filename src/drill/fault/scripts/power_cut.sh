# Arguments: node. On another member. What the device confirmed is all that is known of the power.
begin() {
    stonith_admin --off "$1" --timeout 55s
}
undo() {
    stonith_admin --on "$1" --timeout 55s
}
there() {
    return 1
}
