//! One machine: a systemd of its own, booted by `systemd-nspawn` over a layer of the shared root file system.
//!
//! Its mounts are made in a mount namespace that only it is in. When the machine ends, in whatever way, they
//! are gone with it, and this machine never had a mount of the lab.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::cgroup;
use super::layout::{Host, Layout, Role};
use super::network;
use super::route::envoy;

/// What starting a machine takes.
#[derive(Clone)]
pub(crate) struct Machine {
    layout: Layout,
    rootfs: PathBuf,
    pub(crate) host: &'static Host,
    routes: bool,
    binds: Vec<(PathBuf, &'static str)>,
}

impl Machine {
    pub(crate) fn new(layout: &Layout, rootfs: &Path, host: &'static Host, routes: bool) -> Result<Self> {
        let mut binds = Vec::new();
        if routes && host.role == Role::Balancer {
            binds.push((crate::envoy::envoy()?, envoy::BINARY));
        }
        Ok(Self { layout: layout.clone(), rootfs: rootfs.to_owned(), host, routes, binds })
    }

    /// Plugs the machine in and boots it; the child is nspawn, which ends when the machine does.
    pub(crate) fn boot(&self) -> Result<Child> {
        let name = self.host.name;
        network::cable(&self.layout, self.host, self.routes)?;
        let group = self.group();
        cgroup::remove(&group)?;
        cgroup::create(&group)?;
        let folder = self.layout.machine(name);
        for part in ["upper", "work", "root"] {
            fs::create_dir_all(folder.join(part)).context("could not make a machine's folders")?;
        }
        let console = File::options()
            .append(true)
            .create(true)
            .open(folder.join("console.log"))
            .context("could not open a machine's console log")?;
        let script = self.script(&folder, &cgroup::enter_script(&group)?);
        Command::new("unshare")
            .args(["--mount", "--propagation", "slave", "sh", "-euc", &script])
            .stdin(Stdio::null())
            .stdout(console.try_clone().context("could not share the console log")?)
            .stderr(console)
            .spawn()
            .with_context(|| format!("could not start {name}"))
    }

    /// The steps from a bare shell to nspawn, in a mount namespace of their own.
    fn script(&self, folder: &Path, enter: &str) -> String {
        let (root, name) = (folder.join("root"), self.host.name);
        let bind = |(from, to): &(PathBuf, &str)| format!(" --bind-ro={}:{to}", from.display());
        let binds: String = self.binds.iter().map(bind).collect();
        format!(
            "{enter}mkdir -p /run/systemd/nspawn\n\
             mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn\n\
             mount -t overlay -o lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work overlay {root}\n\
             exec systemd-nspawn --quiet --directory={root} --boot --register=no --keep-unit --console=pipe \
             --machine={machine} --hostname={name} --network-namespace-path={netns} \
             --capability=CAP_NET_ADMIN,CAP_IPC_LOCK,CAP_SYS_NICE \
             --rlimit=RLIMIT_MEMLOCK=infinity --rlimit=RLIMIT_RTPRIO=99 --rlimit=RLIMIT_NOFILE=16384 \
             --resolv-conf=off --timezone=off --link-journal=no{binds}",
            lower = self.rootfs.display(),
            folder = folder.display(),
            root = root.display(),
            machine = self.layout.netns(name),
            netns = self.layout.netns_file(name).display(),
        )
    }

    /// Cuts the power: first the cable, so that no process can say goodbye to its peers, then every process.
    pub(crate) fn cut(&self) -> Result<()> {
        let _ = network::plug(&self.layout, self.host.name, "down");
        cgroup::kill(&self.group())
    }

    /// The machine's control group, inside the lab's.
    fn group(&self) -> String {
        format!("{}/{}", self.layout.cgroup(), self.host.name)
    }
}

/// The process that is PID 1 inside: nspawn's child with a process id in two namespaces, the inner one 1.
pub(crate) fn leader(nspawn: u32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    children.split_whitespace().find_map(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        let ids: Vec<&str> = ids.split_whitespace().collect();
        (ids.len() > 1 && ids.last() == Some(&"1")).then(|| pid.parse().ok()).flatten()
    })
}
