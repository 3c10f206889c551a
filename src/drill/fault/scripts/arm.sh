# Arguments: name of the fault, seconds, the program that undoes it. On standard input, the fault as it is journaled.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
umask 077
root=/run/tidegate/faults id=$1 after=$2
shift 2
mkdir -p "$root" && exec 9> "$root/lock" && flock 9 || exit 1
# What was undone more than a day ago nobody asks for any more.
find "$root" -mindepth 2 -maxdepth 2 -name undone -mtime +0 | while read -r old; do rm -rf "${old%/undone}"; done
for other in "$root"/*/injected.json; do
    other=$(basename "$(dirname "$other")")
    [ -e "$root/$other/injected.json" ] && [ ! -e "$root/$other/undone" ] || continue
    echo "an earlier fault is there: 'tidegate drill undo' ends it, or 'systemctl start tidegate-undo-$other.service'" >&2
    exit 75
done
mkdir "$root/$id" 2> /dev/null || { echo "it was played before" >&2; exit 75; }
cat > "$root/$id/injected.json" || exit 1
# Without a description of its own, systemd would write the whole program there, line breaks and all.
systemd-run --quiet --unit="tidegate-undo-$id" --description="Undoes the fault $id of a drill" --on-active="$after" --timer-property=AccuracySec=100ms \
    --property=Restart=on-failure --property=RestartSec=5s --property=StartLimitIntervalSec=1h \
    --property=StartLimitBurst=100 -- "$@" 9>&- || { rm -rf "${root:?}/$id"; exit 1; }
systemctl show --property=ActiveState --property=NextElapseUSecMonotonic "tidegate-undo-$id.timer"
