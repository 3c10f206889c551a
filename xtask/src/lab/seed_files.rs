//! The files and switched-off units that are the same on every machine.
//!
//! They are laid over the root file system instead of put into it, so that changing one costs no new build.

/// Files that every machine has, whether it uses them or not: path, permissions, content.
pub(crate) const FILES: [(&str, u32, &str); 11] = [
    ("usr/local/lib/lab/app.py", 0o755, include_str!("../../files/app.py")),
    ("usr/sbin/fence_lab", 0o755, include_str!("../../files/fence_lab.py")),
    ("etc/systemd/system/app.service", 0o644, include_str!("../../files/app.service")),
    ("etc/systemd/system/app-sidecar.service", 0o644, include_str!("../../files/app-sidecar.service")),
    ("etc/ssh/sshd_config", 0o644, include_str!("../../files/sshd_config")),
    // The switches of the application, and its log.
    ("etc/tmpfiles.d/lab-app.conf", 0o644, "d /run/app 0755 root root -\nd /var/log/app 0755 root root -\n"),
    // The journal in memory is quick, and a test reads what happened since the boot.
    (
        "etc/systemd/journald.conf.d/lab.conf",
        0o644,
        "[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\nRateLimitBurst=0\n",
    ),
    // HAProxy logs to stdout, which becomes a file that a test reads as it is.
    ("etc/systemd/system/haproxy.service.d/lab.conf", 0o644, include_str!("../../files/haproxy-lab.conf")),
    // Jetty keeps off the application's port, and answers /ready from a static file.
    (
        "etc/default/jetty9",
        0o644,
        "JAVA_OPTIONS=\"-Djava.awt.headless=true -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1\"\n",
    ),
    ("etc/jetty9/start.d/lab.ini", 0o644, "jetty.http.port=8081\n"),
    ("var/lib/jetty9/webapps/root/ready", 0o644, "ready\n"),
];

/// Units that cost time at boot, or noise later, and give a machine of the lab nothing.
pub(crate) const MASKED: &str = "getty.target console-getty.service systemd-logind.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-tmpfiles-clean.timer \
    systemd-firstboot.service systemd-pcrphase.service systemd-pcrphase-sysinit.service ldconfig.service \
    systemd-sysusers.service systemd-hwdb-update.service systemd-journal-catalog-update.service \
    systemd-update-done.service systemd-machine-id-commit.service systemd-ask-password-wall.path \
    systemd-ask-password-console.path sys-fs-fuse-connections.mount sys-kernel-config.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount systemd-modules-load.service \
    modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service \
    modprobe@fuse.service modprobe@loop.service systemd-sysctl.service systemd-binfmt.service";
