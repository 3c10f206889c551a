# Arguments: name of the fault, seconds. On standard input: a line with the fault as it is journaled, then the program that
# undoes it. That is a file, and no argument of the unit: systemd writes arguments into a file of its own, and reads them
# back otherwise where they have line breaks and dollars.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
umask 077
root=/run/tidegate/faults id=$1 after=$2
mkdir -p "$root" && exec 9> "$root/lock" && flock 9 || exit 1
# What was undone more than a day ago nobody asks for any more.
find "$root" -mindepth 2 -maxdepth 2 -name undone -mtime +0 | while read -r old; do rm -rf "${old%/undone}"; done
for other in "$root"/*/injected.json; do
    other=$(basename "$(dirname "$other")")
    [ -e "$root/$other/injected.json" ] && [ ! -e "$root/$other/undone" ] || continue
    echo "an earlier fault is there: 'tidegate drill undo' ends it, or there 'sh $root/$other/undo'" >&2
    exit 75
done
mkdir "$root/$id" 2> /dev/null || { echo "it was played before" >&2; exit 75; }
IFS= read -r injected && printf '%s\n' "$injected" > "$root/$id/injected.json" && cat > "$root/$id/undo" || exit 1
systemd-run --quiet --unit="tidegate-undo-$id" --description="Undoes the fault $id of a drill" --on-active="$after" --timer-property=AccuracySec=100ms \
    --property=Restart=on-failure --property=RestartSec=5s --property=StartLimitIntervalSec=1h \
    --property=StartLimitBurst=100 -- /bin/sh "$root/$id/undo" 9>&- || { rm -rf "${root:?}/$id"; exit 1; }
systemctl show --property=ActiveState --property=NextElapseUSecMonotonic "tidegate-undo-$id.timer"
