# Makes a fresh Debian into what machines of the lab share. $1 is its root folder; run by `sh -eu`.
cd "$1"

# Nothing starts by itself, and no machine shares another's identity: see xtask/src/lab/seed.rs.
rm -rf etc/systemd/system/*.wants
rm -f etc/ssh/ssh_host_* etc/corosync/corosync.conf etc/machine-id
rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/*.log var/log/apt
