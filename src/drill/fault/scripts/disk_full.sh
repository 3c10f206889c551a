# Arguments: directory, node. A process holds a file without a name that takes all that is free, what is kept for root too:
# it goes with the process, and with a restart of the machine.
begin() {
    cat > "$dir/hold.sh" <<'HOLD'
set -u
name=$1/.tidegate-fault-$2
exec 8> "$name" || exit 1
free=$(stat --file-system --format=%f "$1") size=$(stat --file-system --format=%S "$1")
chunk=$((free * size)) at=0
while [ $chunk -ge "$size" ]; do
    if fallocate --offset $at --length $chunk "$name" 2> "$3/why"; then at=$((at + chunk)); else chunk=$((chunk / 2)); fi
done
rm -f "$name"
[ $at -gt 0 ] && : > "$3/full" || exit 1
exec sleep infinity
HOLD
    systemd-run --quiet --collect --unit="tidegate-fill-$id" --description="Fills a disk for a drill" --property=KillSignal=SIGKILL \
        sh "$dir/hold.sh" "$1" "$id" "$dir" || return 1
    tries=0
    while [ ! -e "$dir/full" ] && active "tidegate-fill-$id.service" && [ $tries -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    [ -e "$dir/full" ] || fail "it was not filled: $(tail -n 1 "$dir/why" 2> /dev/null)"
}
undo() {
    systemctl stop "tidegate-fill-$id.service" 2> /dev/null
    rm -f "$1/.tidegate-fault-$id" || return 1
    forget_failures "$2"
}
there() {
    active "tidegate-fill-$id.service" || [ -e "$1/.tidegate-fault-$id" ]
}
