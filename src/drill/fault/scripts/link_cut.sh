# Arguments: interface, node. A link that goes down loses its routes, and its IPv6 addresses unless they are kept.
kept() {
    echo "/proc/sys/net/ipv6/conf/$1/keep_addr_on_down"
}
begin() {
    ip -4 route save table all dev "$1" > "$dir/routes-4" 2> /dev/null
    ip -6 route save table all dev "$1" > "$dir/routes-6" 2> /dev/null
    if cat "$(kept "$1")" > "$dir/kept" 2> /dev/null; then echo 1 > "$(kept "$1")"; fi
    ip link set dev "$1" down
}
undo() {
    ip link set dev "$1" up || return 1
    for family in 4 6; do
        [ ! -s "$dir/routes-$family" ] || ip -$family route restore < "$dir/routes-$family" > /dev/null 2>&1
    done
    [ ! -s "$dir/kept" ] || cat "$dir/kept" > "$(kept "$1")"
    forget_failures "$2"
}
there() {
    [ -z "$(ip -o link show dev "$1" up)" ]
}
