# Arguments: name of the fault. On standard input, the program that begins it. It runs when this session is gone.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
dir=/run/tidegate/faults/$1
cat > "$dir/begin" || exit 1
systemd-run --quiet --collect --unit="tidegate-fault-$1" --description="Begins the fault $1 of a drill" -- /bin/sh "$dir/begin"
