//! From nothing to a cluster with its application behind two load balancers.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::layout::{Layout, machines, state_root};
use super::shell::{self, Answer};
use super::{
    Lab, Options, TidegateConfig, cgroup, host, keys, network, product, rootfs, route, seed, switch, teardown,
};

/// What all labs of this machine share: packages, the machines' root file system, and Envoy where there are routes. Two
/// labs that come up at once must not both install.
pub fn prepare(routes: bool) -> Result<()> {
    host::require_root()?;
    host::install_missing()?;
    rootfs::ensure()?;
    if routes { crate::envoy::envoy().map(drop) } else { Ok(()) }
}

/// See [`Lab::up`].
pub(super) fn up(options: Options) -> Result<Lab> {
    let layout = Layout::new(&options.prefix)?;
    host::require_root()?;
    host::install_missing()?;
    let supervisor = product::xtask()?;
    let _lock = lock(&layout)?;
    if Lab::attach(&options.prefix).is_ok() {
        bail!("the lab {:?} is up already; `cargo xtask lab status` shows it", options.prefix);
    }
    if layout.dir().exists() || !cgroup::processes(&layout.cgroup()).is_empty() {
        eprintln!("lab: removing what an earlier lab left");
    }
    teardown::clean(&layout)?;
    fs::create_dir_all(state_root()).context("could not make the folder of all labs")?;
    let rootfs = rootfs::ensure()?;
    if options.routes {
        // Fetched now, with a word about it, and not by the supervisor, which nobody sees.
        crate::envoy::envoy()?;
    }

    let mut clock = Clock::start(&layout);
    fs::create_dir_all(layout.dir()).with_context(|| format!("could not make {}", layout.dir().display()))?;
    keys::create(&layout, options.routes)?;
    if options.routes {
        route::prepare(&layout)?;
    }
    for host in machines(options.routes) {
        seed::create(&layout, &rootfs, host, &options)?;
    }
    network::create(&layout, options.routes)?;
    start_supervisor(&layout, &rootfs, &supervisor, options.routes)?;
    clock.lap("prepared, machines booting");
    let lab = Lab { layout, options };
    let dir = lab.dir().to_owned();
    bring_into_service(&lab, &mut clock).with_context(|| {
        let dir = dir.display();
        format!(
            "the lab did not come up; its logs are {dir}/supervisor.log and {dir}/machines/*/console.log; \
                 `cargo xtask lab down` removes it"
        )
    })?;
    Ok(lab)
}

/// Takes the lab's lock, so that two runs on one lab cannot mix; it is free again when the file is dropped.
pub(super) fn lock(layout: &Layout) -> Result<File> {
    let path = teardown::lock_file(layout);
    fs::create_dir_all(state_root()).context("could not make the folder of all labs")?;
    let file = File::create(&path).with_context(|| format!("could not open {}", path.display()))?;
    let held = || {
        format!(
            "another run is starting or removing the lab {:?} right now; try again when it is done",
            layout.prefix()
        )
    };
    // A run that was just killed holds the lock for as long as the kernel takes to bury it.
    let pause = Duration::from_millis(100);
    shell::wait_until("the lab's lock", Duration::from_secs(5), pause, || match file.try_lock() {
        Ok(()) => Ok(Answer::Yes),
        Err(TryLockError::WouldBlock) => Ok(Answer::NotYet("someone else holds it".to_owned())),
        Err(TryLockError::Error(error)) => Err(error).context("could not take the lab's lock"),
    })
    .with_context(held)?;
    Ok(file)
}

/// The steps after the machines got power.
fn bring_into_service(lab: &Lab, clock: &mut Clock) -> Result<()> {
    lab.wait("the power switch", Duration::from_secs(10), |lab| switch::ask(&lab.layout, "ping").map(|_| Answer::Yes))?;
    lab.prepare_cluster()?;
    clock.lap("cluster configuration written");
    lab.wait_quorum(Duration::from_secs(90))?;
    clock.lap("quorum");
    lab.configure_cluster()?;
    clock.lap("cluster configuration applied");
    lab.wait_app(Duration::from_secs(60))?;
    clock.lap("application ready on all nodes");
    if lab.options.jetty {
        lab.add_jetty()?;
        clock.lap("Jetty ready on all nodes");
    }
    // HAProxy saw every server down while the nodes booted; a fresh one starts with what is.
    lab.fresh_balancers()?;
    clock.lap("served by both load balancers");
    if lab.options.routes {
        lab.wait_routes()?;
        clock.lap("served by every other route");
    }
    lab.write_config("tidegate.toml", &TidegateConfig::default())?;
    lab.save()
}

/// Starts the power supply as a process of its own session, in the lab's control group and the control
/// namespace, so that it outlives this run and tear-down finds it.
fn start_supervisor(layout: &Layout, rootfs: &Path, program: &Path, routes: bool) -> Result<()> {
    let group = format!("{}/supervisor", layout.cgroup());
    cgroup::create(&group)?;
    let script = format!(
        "{}exec setsid nsenter --net={} -- \"$0\" lab supervise --prefix {} --rootfs {}{}",
        cgroup::enter_script(&group)?,
        layout.netns_file("control").display(),
        layout.prefix(),
        rootfs.display(),
        if routes { " --routes" } else { "" },
    );
    let log = File::create(layout.file("supervisor.log")).context("could not make the supervisor's log")?;
    Command::new("sh")
        .args(["-euc", &script])
        .arg(program)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("could not share the supervisor's log")?)
        .stderr(log)
        .spawn()
        .context("could not start the supervisor")?;
    Ok(())
}

/// Tells on stderr what was reached, and when.
struct Clock {
    started: Instant,
    prefix: String,
}

impl Clock {
    fn start(layout: &Layout) -> Self {
        Self { started: Instant::now(), prefix: layout.prefix().to_owned() }
    }

    fn lap(&mut self, what: &str) {
        eprintln!("lab {}: {:5.1} s  {what}", self.prefix, self.started.elapsed().as_secs_f32());
    }
}
