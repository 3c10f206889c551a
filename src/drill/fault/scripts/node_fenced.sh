# Arguments: node. On another member. A reboot that the device confirms gives the power back by itself.
begin() {
    stonith_admin --reboot "$1" --timeout 55s && : > "$dir/fenced"
}
undo() {
    [ -e "$dir/fenced" ] || stonith_admin --on "$1" --timeout 55s
}
there() {
    return 1
}
