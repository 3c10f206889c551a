# Arguments: node, how many words turn it off, those words, then those that turn it on again.
turn_off() {
    words=$1
    shift
    all=$# seen=0
    for word do
        seen=$((seen + 1))
        [ $seen -gt "$words" ] || set -- "$@" "$word"
    done
    shift $all
    "$@"
}
begin() {
    shift
    turn_off "$@"
}
undo() {
    node=$1 words=$2
    shift $((words + 2))
    "$@" || return 1
    forget_failures "$node"
}
# Nobody but the operator's own probe knows.
there() {
    return 1
}
