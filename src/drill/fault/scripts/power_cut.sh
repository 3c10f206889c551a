# Arguments: node. On another member. What the device confirmed is all that is known of the power.
begin() {
    stonith_admin --fence "$1" --timeout 55
}
undo() {
    stonith_admin --unfence "$1" --timeout 55
}
there() {
    return 1
}
