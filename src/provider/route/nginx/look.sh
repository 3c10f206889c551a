# What runs and what is written, in one look. Arguments: the pid file, the include, a filter for ss ("" for no sockets).
# Lines of words (those that ss says begin with a state in capitals), then "content", then the include byte for byte.
LC_ALL=C
export LC_ALL
fail() {
    printf '%s\n' "$1" >&2
    exit "${2-3}"
}
# The start of a process, in ticks since the boot, goes into $began. The name before it may hold anything.
ticks() {
    { read -r line < "/proc/$1/stat"; } 2> /dev/null || return 1
    set -- ${line##*) }
    began=${20}
}
{ read -r master < "$1"; } 2> /dev/null || fail "NGINX does not run: there is no process id in $1" 6
ticks "$master" || fail "NGINX does not run: $1 names process $master, which is gone" 6
printf 'master %s %s\n' "$master" "$began"
ps -ww -o pid=,args= --ppid "$master" | while read -r pid title; do
    ticks "$pid" && printf 'child %s %s %s\n' "$pid" "$began" "$title"
done
# The same moment on both clocks: a process that begins now.
now=$(date +%s.%N)
line=$(cat /proc/self/stat)
set -- "$1" "$2" "$3" ${line##*) }
printf 'clock %s %s\n' "$now" "${23}"
if [ -n "$3" ]; then
    ss -Htnp state connected exclude time-wait "$3" || fail "ss failed"
fi
exec 3< "$2" || fail "$2 cannot be read"
stat -L -c 'file %i %.9Z' /dev/fd/3 || fail "no stat of $2"
name=$2
[ ! -L "$name" ] || name=$(readlink -f -- "$name")
note=${name%/*}/.${name##*/}.tidegate-loaded
if [ -f "$note" ] && read -r line < "$note" && read -r boot < /proc/sys/kernel/random/boot_id; then
    printf 'note %s %s\n' "$boot" "$line"
fi
printf 'content\n'
exec cat <&3
