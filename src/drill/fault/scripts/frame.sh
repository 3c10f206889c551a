# What is done: begin, later (begin after a moment, so that who asked still gets an answer), undo or state.
verb=$1 id=$2 boot=$3
shift 3
dir=/run/tidegate/faults/$id
this_boot=$(cat /proc/sys/kernel/random/boot_id)

lock() {
    mkdir -p "$dir" && exec 9> "$dir/lock" && flock 9
}

begin_it() {
    lock || fail "cannot lock $dir"
    [ ! -e "$dir/undone" ] || fail "it was undone before it began"
    active "tidegate-undo-$id.timer" || fail "no timer would undo it"
    : > "$dir/begun"
    begin "$@" 9>&- || fail "it could not be begun"
}

# A machine that restarted has nothing of it but what outlives a boot, and no mark of it; its undoing then does no harm.
undo_it() {
    lock || fail "cannot lock $dir"
    [ ! -e "$dir/undone" ] || return 0
    [ "$boot" = "$this_boot" ] || : > "$dir/begun"
    if [ -e "$dir/begun" ]; then
        undo "$@" 9>&- || fail "it could not be undone"
        ! there "$@" || fail "it is still there"
    fi
    : > "$dir/undone"
    systemctl stop "tidegate-undo-$id.timer" 2> /dev/null
    return 0
}

state() {
    echo "boot $this_boot"
    for mark in injected.json begun undone; do
        [ ! -e "$dir/$mark" ] || echo "mark $mark"
    done
    ! active "tidegate-undo-$id.timer" || echo "timer"
    ! there "$@" || echo "there"
}

case $verb in
    begin) begin_it "$@" ;;
    later) sleep 0.3; begin_it "$@" ;;
    undo) undo_it "$@" ;;
    state) state "$@" ;;
    *) fail "no such verb: $verb" ;;
esac
