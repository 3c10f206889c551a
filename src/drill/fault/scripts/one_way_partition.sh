# Arguments: node. Everything that this machine sends is dropped; what is sent to it arrives.
begin() {
    nft -f - <<RULES
add table inet tidegate_fault
add chain inet tidegate_fault out { type filter hook output priority -350; policy accept; }
add rule inet tidegate_fault out oifname != "lo" drop
RULES
}
undo() {
    ! there || nft delete table inet tidegate_fault || return 1
    forget_failures "$1"
}
there() {
    nft list table inet tidegate_fault > /dev/null 2>&1
}
