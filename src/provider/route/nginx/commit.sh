# Writes includes, tests the configuration, reloads. A configuration that NGINX refuses leaves every file as it was.
#
# Arguments: the pid file; how many milliseconds this may take, unless NGINX takes longer to test; the number of
# includes; for each its path, the SHA-256 of what it must hold now, the length of its new content ("-" to leave it), and
# a tick before its workers began ("-" where they do not run what it holds); then NGINX's command.
# Standard input: the new contents, one after the other.
#
# Beside each include it leaves what it replaced (-before), and a note (-loaded) that ties this version of the file to a
# tick after which no worker can have read another: see running.rs.
#
# Exit codes: 0 new workers run; 5 reloaded, and none seen yet; 4 an include is not what it must be, nothing was
# changed; 10 refused, everything is as it was; 3 something else, told on standard error.
LC_ALL=C
export LC_ALL
pid_file=$1 deadline=$(($(date +%s%3N) + $2)) count=$3
shift 3
files= written= message=
newline='
'
end() {
    printf '%s\n' "$2" >&2
    exit "$1"
}
near() {
    printf '%s/.%s.tidegate-%s' "$(dirname -- "$1")" "$(basename -- "$1")" "$2"
}
tidy() {
    while read -r inode tick file; do
        [ -z "$file" ] || rm -f -- "$(near "$file" new)"
    done << EOF
$written
EOF
}
# Ties the file as it is now to a tick.
note() {
    printf '%s %s %s\n' "$(stat -c '%i %.9Z' -- "$1")" "$boot" "$2" > "$(near "$1" loaded)"
}
put_back() {
    while read -r inode tick file; do
        [ -n "$file" ] && [ "$(stat -c %i -- "$file")" = "$inode" ] || continue
        cp -a -- "$(near "$file" before)" "$(near "$file" new)" && mv -f -- "$(near "$file" new)" "$file" ||
            message="$message (and $file was not put back)"
        [ "$tick" = - ] || note "$file" "$tick"
    done << EOF
$written
EOF
}
# Process ids of the workers that take clients.
workers() {
    ps -ww -o pid=,args= --ppid "$master" | while read -r pid title; do
        [ "$title" != 'nginx: worker process' ] || printf '%s ' "$pid"
    done
}

{ read -r master < "$pid_file"; } 2> /dev/null && [ -d "/proc/$master" ] || end 3 'NGINX does not run'
# One at a time, whoever they are.
read -r boot < /proc/sys/kernel/random/boot_id
exec 9< "$pid_file"
flock -w 2 9 || end 3 'another change of this NGINX is under way'
trap tidy EXIT

while [ "$count" -gt 0 ]; do
    file=$(readlink -e -- "$1") sum=$2 length=$3 tick=$4
    [ -n "$file" ] || end 3 "$1 is not there"
    shift 4
    count=$((count - 1))
    [ "$(sha256sum < "$file")" = "$sum  -" ] || end 4 "another hand changed $file just now"
    files=$files$file$newline
    [ "$length" != - ] || continue
    new=$(near "$file" new)
    # The copy has the owner, the mode and the labels; then the content.
    cp -a -- "$file" "$new" && head -c "$length" > "$new" && [ "$(stat -c %s -- "$new")" = "$length" ] &&
        sync -- "$new" || end 3 "$new could not be written"
    written=$written$(stat -c %i -- "$new")" $tick $file$newline"
done
while read -r inode tick file; do
    [ -n "$file" ] || continue
    cp -a -- "$file" "$(near "$file" before)" && mv -f -- "$(near "$file" new)" "$file" && sync -- "$(dirname -- "$file")" ||
        { message="$file could not be replaced"; put_back; end 3 "$message"; }
done << EOF
$written
EOF

message=$(timeout 30 "$@" -t 2>&1 < /dev/null) || { put_back; end 10 "$message"; }

# From here on a worker that was not started later has not read this. A process that begins now tells the tick.
while read -r file; do
    [ -z "$file" ] || touch -- "$file"
done << EOF
$files
EOF
line=$(cat /proc/self/stat)
tick=$(set -- ${line##*) } && printf '%s' "${20}")
while read -r file; do
    [ -z "$file" ] || note "$file" "$tick"
done << EOF
$files
EOF
sleep 0.03
before=" $(workers)"
# NGINX sends its own standard error to its log.
log=/proc/$master/fd/2
[ -f "$log" ] && said=$(stat -L -c %s "$log") || log=
kill -HUP "$master" || end 3 'NGINX cannot be told to reload'
while [ "$(date +%s%3N)" -lt "$deadline" ]; do
    sleep 0.05
    fresh= stale=
    for pid in $(workers); do
        case $before in *" $pid "*) stale=1 ;; *) fresh=1 ;; esac
    done
    [ -z "$fresh" ] || [ -n "$stale" ] || exit 0
    [ -n "$log" ] || continue
    message=$(tail -c "+$((said + 1))" "$log" | grep -F "[emerg] $master#")
    # It tries an address that is taken for two seconds, and says then that it gave up.
    case $message in
        *'still could not bind'*) over=1 ;;
        '' | *'bind() to'*) over= ;;
        *) over=1 ;;
    esac
    [ -z "$over" ] || [ -n "$fresh" ] || { put_back; end 10 "$message"; }
done
exit 5
