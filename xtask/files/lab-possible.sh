# Tries what the lab needs of a machine, and leaves nothing: network, mount and process namespaces (this runs in them),
# an overlay on the file system where the lab would be, and a control group of its own. The last line of stderr is why
# it cannot be.
set -eu

mkdir -p "$1"
folder=$(mktemp -d "$1/probe.XXXXXX")
trap 'umount "$folder/merged" 2>/dev/null || true; rm -r "$folder"' EXIT
mkdir "$folder/lower" "$folder/upper" "$folder/work" "$folder/merged"
mount -t overlay overlay -o "lowerdir=$folder/lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/merged"

awk '$3 == "cgroup2" || ($3 == "cgroup" && $4 ~ /name=systemd/) { print $2 }' /proc/self/mounts > "$folder/groups"
test -s "$folder/groups" || { echo "no control groups for systemd are mounted" >&2; exit 1; }
while read -r place; do
    mkdir "$place/tidegate-probe.$$"
    rmdir "$place/tidegate-probe.$$"
done < "$folder/groups"
