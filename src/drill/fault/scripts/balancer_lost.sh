# Arguments: unit. A drop-in keeps it from starting, and not a mask: a unit whose file is in /etc cannot be masked below /run.
# Neither outlives a restart of the machine.
drop_in() {
    echo "/run/systemd/system/$1.d/zz-tidegate-fault.conf"
}
begin() {
    : > "$dir/lost"
    mkdir -p "/run/systemd/system/$1.d" || return 1
    printf '[Unit]\nAssertPathExists=!%s\n[Service]\nRestart=no\n' "$dir/lost" > "$(drop_in "$1")" || return 1
    systemctl daemon-reload && systemctl kill --signal=KILL "$1"
}
undo() {
    rm -f "$dir/lost" "$(drop_in "$1")" || return 1
    rmdir "/run/systemd/system/$1.d" 2> /dev/null
    systemctl daemon-reload || return 1
    systemctl reset-failed "$1" 2> /dev/null
    systemctl start "$1"
}
there() {
    [ -e "$(drop_in "$1")" ] || ! active "$1"
}
