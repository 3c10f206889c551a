# Units and files of one node. Arguments: units, "--", files. Each unit: "unit NAME", its properties, its files; each file
# is a line "file HASH|missing|unreadable PATH".
LC_ALL=C
export LC_ALL
file() {
    if said=$({ sha256sum < "$1"; } 2>&1); then
        printf 'file %s %s\n' "${said%% *}" "$1"
    else
        case $said in
        *"o such file"*) printf 'file missing %s\n' "$1" ;;
        *) printf 'file unreadable %s\n' "$1" ;;
        esac
    fi
}
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    printf 'unit %s\n' "$1"
    shown=$(systemctl show --no-pager -p LoadState -p UnitFileState -p FragmentPath -p DropInPaths -p TimeoutStopUSec \
        -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic -- "$1") || exit 3
    printf '%s\n' "$shown"
    # Drop-ins below /run live until the next boot; Pacemaker writes one wherever it has started the unit.
    for path in $(printf '%s\n' "$shown" | sed -n 's/^FragmentPath=//p; s/^DropInPaths=//p'); do
        case $path in
        /run/*.d/*) ;;
        *) file "$path" ;;
        esac
    done
    shift
done
[ $# -gt 0 ] || exit 0
shift
printf 'files\n'
for path; do
    file "$path"
done
