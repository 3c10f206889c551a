# Makes a fresh Debian into a machine of the lab. $1 is its root folder; run by `sh -eu`.
cd "$1"

# Nothing starts by itself: each machine links what it runs (see seed.rs).
rm -rf etc/systemd/system/*.wants
ln -sf /lib/systemd/system/multi-user.target etc/systemd/system/default.target
for unit in getty.target console-getty.service systemd-logind.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service systemd-tmpfiles-clean.timer systemd-firstboot.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service ldconfig.service systemd-sysusers.service \
    systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-update-done.service \
    systemd-machine-id-commit.service systemd-ask-password-wall.path systemd-ask-password-console.path \
    network-online.target e2scrub_reap.service sys-fs-fuse-connections.mount sys-kernel-config.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount systemd-modules-load.service \
    modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service \
    modprobe@fuse.service modprobe@loop.service systemd-sysctl.service systemd-binfmt.service ; do
    ln -sf /dev/null "etc/systemd/system/$unit"
done

rm -f etc/ssh/ssh_host_* etc/corosync/corosync.conf etc/machine-id
rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/*.log var/log/apt
