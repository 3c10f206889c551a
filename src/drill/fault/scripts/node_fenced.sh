# Arguments: node. On another member. A reboot that the device confirms gives the power back by itself.
begin() {
    stonith_admin --reboot "$1" --timeout 55 && : > "$dir/fenced"
}
undo() {
    [ -e "$dir/fenced" ] || stonith_admin --unfence "$1" --timeout 55
}
there() {
    return 1
}
