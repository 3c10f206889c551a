//! Every fault of an unplanned drill on real machines: it is there, by the machine's own words, and afterwards all is as
//! before, whether the program that began it undoes it or is killed and the dead man's timer does.
//!
//! The program is this test's own executable, once more, on the coordinator's host: it goes over SSH as Tidegate does, and
//! can be killed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tidegate::{
    drill::fault::{FaultState, Injected, Injector, Reach, Served},
    model::{NodeName, UnitName},
    playbook::{Fault, Place},
    provider::{ProviderError, SystemClock, access::ssh::SshAccess},
};
use xtask::lab::{Lab, Proxy};

use crate::stage::{Routes, Running, within};

const ORDER: &str = "TIDEGATE_FAULT_ORDER";
const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// A file system of the test's own that may be filled.
const DISK: &str = "/mnt/faults";
/// What a machine is, as far as faults touch it. The lab gives a machine a new cable, of another number, when it restarts.
const LOOK: &str = r#"
echo "units: $(systemctl is-active app haproxy bird named pacemaker corosync | tr '\n' ' ')"
echo "ours: $(systemctl list-units --all --plain --no-legend 'tidegate-*' | grep -v '^tidegate-lab' | tr '\n' ' ')"
echo "filter: $(nft list ruleset 2> /dev/null | grep tidegate_fault)"
echo "links: $(ip -o link | sed 's/.*: \([^@]*\).*: <.*\(,UP\).*/\1 \2/' | tr '\n' ' ')"
echo "addresses: $(ip -o addr | awk '{print $2, $4}' | sed 's/fe80.*/fe80/' | sort | tr '\n' ' ')"
echo "routes: $(ip route | grep -v bird | sort | tr '\n' ' ')"
echo "kept: $(cat /proc/sys/net/ipv6/conf/eth0/keep_addr_on_down 2> /dev/null)"
echo "drop-ins: $(find /run/systemd/system -name 'zz-tidegate*' | tr '\n' ' ')"
echo "stopped: $(ps -eo stat=,comm= | grep '^T' | tr '\n' ' ')"
echo "switches: $(ls /run/app 2> /dev/null | tr '\n' ' ')"
echo "open: $(for i in /run/tidegate/faults/*/injected.json; do [ ! -e "$i" ] || [ -e "${i%injected.json}undone" ] || echo "$i"; done)"
"#;

/// What the program is to do.
#[derive(Serialize, Deserialize)]
struct Order {
    ssh_config: PathBuf,
    masters: PathBuf,
    /// Where it says what it did.
    out: PathBuf,
    what: What,
}

#[derive(Serialize, Deserialize)]
enum What {
    /// Plays a fault: rehearses, prepares, injects, waits for the file `go`, and undoes it.
    Play(Fault, Place, Duration),
    /// Says what stands against a fault.
    Rehearse(Fault, Place, Duration),
    /// Begins a fault that was prepared.
    Inject(Box<Injected>),
    State(Box<Injected>),
    Undo(Box<Injected>),
    Leftovers(Vec<Place>),
}

/// The program. Without an order, there is at least this to be said of an injector: it plays nothing on a node that nobody
/// told it of.
#[test]
#[ignore = "needs the lab"]
fn an_injector_plays_nothing_on_a_node_that_it_does_not_know() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let Ok(order) = std::env::var(ORDER) else {
        let directory = tempfile::tempdir().expect("a directory");
        let injector = injector(Path::new("/dev/null"), &directory.path().join("m"), &[]);
        let nowhere = Place::Node("x".into());
        let refused = injector.prepare(&Fault::OneWayPartition, &nowhere, Duration::from_secs(2));
        assert!(matches!(runtime.block_on(refused), Err(ProviderError::Refused(_))));
        return;
    };
    let order: Order = serde_json::from_str(&order).expect("an order");
    let injector = injector(&order.ssh_config, &order.masters, &NODES);
    runtime.block_on(obey(&injector, &order));
}

fn injector(config: &Path, masters: &Path, nodes: &[&str]) -> Injector {
    let ssh = SshAccess::in_directory(None, Some(config.to_owned()), masters.to_owned()).expect("a way");
    let ssh = Arc::new(ssh);
    let served = Served { unit: UnitName::new("app.service"), resource: "app_service".into() };
    Injector::new(Reach {
        nodes: ssh.clone(),
        others: ssh,
        hosts: nodes.iter().map(|n| (NodeName::new(*n), (*n).to_owned())).collect(),
        services: BTreeMap::from([("app".into(), served)]),
        limit: Duration::from_secs(10),
        clock: Arc::new(SystemClock),
    })
}

async fn obey(injector: &Injector, order: &Order) {
    let say = |name: &str, text: &str| {
        let (path, beside) = (order.out.join(name), order.out.join(format!("{name}.new")));
        std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path)).expect("a file");
    };
    let json = |value: &FaultState| serde_json::to_string(value).expect("JSON");
    match &order.what {
        What::Play(fault, place, lasts) => {
            if let Err(against) = injector.rehearse(fault, place, *lasts).await {
                panic!("against it: {against:?}");
            }
            let injected = injector.prepare(fault, place, *lasts).await.expect("prepared");
            say("injected", &serde_json::to_string(&injected).expect("JSON"));
            let at = injector.inject(&injected).await.expect("injected");
            say("begun", &at.to_string());
            while !order.out.join("go").exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            match injector.undo(&injected).await {
                Ok(()) => {}
                Err(error) if injected.cuts_way() => {
                    eprintln!("undo, as expected: {error}");
                    injector.settled(&injected, Duration::from_secs(60)).await.expect("undone by its timer");
                }
                Err(error) => panic!("{error}"),
            }
            say("undone", &json(&injector.state(&injected).await.expect("a state")));
        }
        What::Rehearse(fault, place, lasts) => {
            let against = injector.rehearse(fault, place, *lasts).await.err().unwrap_or_default();
            say("said", &against.join("\n"));
        }
        What::Inject(injected) => say("said", &format!("{:?}", injector.inject(injected).await)),
        What::State(injected) => say("said", &json(&injector.state(injected).await.expect("a state"))),
        What::Undo(injected) => say("said", &format!("{:?}", injector.undo(injected).await)),
        What::Leftovers(places) => {
            let found = injector.leftovers(places).await;
            let ids = found.iter().map(|(place, said)| match said {
                Ok(left) => format!("{place:?} {:?}", left.iter().map(|l| l.injected.id.as_str()).collect::<Vec<_>>()),
                Err(error) => format!("{place:?} {error}"),
            });
            say("said", &ids.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// The program at work.
struct Player {
    program: Running,
    out: tempfile::TempDir,
    began: Instant,
}

impl Player {
    fn start(lab: &Lab, what: What) -> Result<Self> {
        let out = tempfile::tempdir()?;
        let masters = out.path().join("m");
        let order = Order { ssh_config: lab.dir().join("ssh_config"), masters, out: out.path().to_owned(), what };
        let name = "faults_are_undone::an_injector_plays_nothing_on_a_node_that_it_does_not_know";
        let mut command = lab.command_in("control", &std::env::current_exe()?.to_string_lossy())?;
        command.args(["--ignored", "--exact", name, "--nocapture"]).env(ORDER, serde_json::to_string(&order)?);
        Ok(Self { program: Running::start(&mut command)?, out, began: Instant::now() })
    }

    fn said(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.out.path().join(name)).ok()
    }

    /// Waits until it says so; its own words where it ends before that.
    fn until(&mut self, name: &str) -> Result<String> {
        loop {
            if let Some(said) = self.said(name) {
                return Ok(said);
            }
            if let Some(status) = self.program.0.try_wait()? {
                let mut words = String::new();
                let out = self.program.0.stdout.take().map(|s| Box::new(s) as Box<dyn std::io::Read>);
                let err = self.program.0.stderr.take().map(|s| Box::new(s) as Box<dyn std::io::Read>);
                for mut stream in [out, err].into_iter().flatten() {
                    stream.read_to_string(&mut words)?;
                }
                bail!("{status} before {name}: {words}");
            }
            ensure!(self.began.elapsed() < Duration::from_secs(120), "never {name}");
            sleep(Duration::from_millis(20));
        }
    }

    fn injected(&self) -> Result<Injected> {
        Ok(serde_json::from_str(&self.said("injected").context("nothing was prepared")?)?)
    }

    fn undo(&mut self) -> Result<()> {
        std::fs::write(self.out.path().join("go"), "")?;
        let state: FaultState = serde_json::from_str(&self.until("undone")?)?;
        ensure!(state == FaultState::Undone, "it is {state:?}");
        Ok(())
    }

    /// SIGKILL, at once.
    fn kill(&mut self) -> Result<()> {
        self.program.0.kill()?;
        self.program.0.wait()?;
        Ok(())
    }
}

fn ask(lab: &Lab, what: What) -> Result<String> {
    Player::start(lab, what)?.until("said")
}

fn node(name: &str) -> Place {
    Place::Node(name.into())
}

fn host(name: &str) -> Place {
    Place::Host { host: name.into(), instance: None }
}

/// What all machines are, and what the cluster says.
fn world(lab: &Lab) -> Result<BTreeMap<&'static str, String>> {
    let mut world = BTreeMap::new();
    for machine in ["node-1", "node-2", "node-3", "lb-1", "dns-2"] {
        // A machine that boots has no answer yet.
        world.insert(machine, lab.shell(machine, LOOK).unwrap_or_else(|e| format!("{e:#}")));
    }
    let cluster = "set +e; cibadmin --query --scope status | grep -c fail-count; crm_mon -1 --output-as=xml | grep '<failure '; \
                   crm_mon -1 --output-as=xml | sed -n 's/.*<node name=\"\\([^\"]*\\)\".* online=\"\\([a-z]*\\)\".* pending=\"\\([a-z]*\\)\" unclean=\"\\([a-z]*\\)\".*/\\1 \\2 \\3 \\4/p'; true";
    world.insert("cluster", lab.shell("node-1", cluster).unwrap_or_else(|e| format!("{e:#}")));
    Ok(world)
}

fn as_before(lab: &Lab, before: &BTreeMap<&'static str, String>, what: &str) -> Result<()> {
    let mut now = BTreeMap::new();
    let result = within(90, what, || {
        now = world(lab)?;
        Ok(now == *before)
    });
    result.with_context(|| {
        let differs = before.iter().filter(|(name, was)| now.get(*name) != Some(was));
        differs.map(|(name, was)| format!("{name}: before\n{was}\nnow\n{}\n", now[name])).collect::<String>()
    })
}

fn says(lab: &Lab, machine: &str, script: &str) -> Result<String> {
    Ok(lab.shell(machine, &format!("set +e; {script}; true"))?.trim().to_owned())
}

#[test]
#[ignore = "needs the lab"]
fn by_the_program_or_by_the_timer() -> Result<()> {
    Routes::clean(&[Proxy::Haproxy])?.play(|lab| {
        let mount = format!("mkdir -p {DISK}; mountpoint -q {DISK} || mount -t tmpfs -o size=16m none {DISK}");
        lab.shell("node-2", &mount)?;
        let before = world(lab)?;
        refused(lab)?;
        on_services(lab, &before)?;
        around_the_cluster(lab, &before)?;
        on_nodes(lab, &before)
    })
}

/// What is wrong is told at once, and nothing is done.
fn refused(lab: &Lab) -> Result<()> {
    let against = |fault, place, lasts| ask(lab, What::Rehearse(fault, place, Duration::from_secs(lasts)));
    let said = against(Fault::BalancerLost { unit: "nix.service".into() }, host("lb-1"), 3)?;
    ensure!(said.contains("no unit nix.service"), "{said:?}");
    let said = against(Fault::DiskFull { path: "/run".into() }, node("node-2"), 3)?;
    ensure!(said.contains("which undoing needs"), "{said:?}");
    let said = against(Fault::OneWayPartition, node("node-2"), 3600)?;
    ensure!(said.contains("30 min"), "{said:?}");
    Ok(())
}

fn on_services(lab: &Lab, before: &BTreeMap<&'static str, String>) -> Result<()> {
    let app = "app".into();
    let short = Duration::from_secs(3);
    // Killed: dead for the node, and the cluster does not know yet.
    let mut killed = Player::start(lab, What::Play(Fault::UnitKilled { service: app }, node("node-2"), short))?;
    killed.until("begun")?;
    let state = says(lab, "node-2", "systemctl is-active app.service")?;
    ensure!(state == "failed", "app.service is {state}");
    // A second one on the same machine is refused, and the way to the first is told.
    let place = vec![node("node-2"), host("lb-1")];
    let left = ask(lab, What::Leftovers(place))?;
    let id = killed.injected()?.id;
    ensure!(left.contains(id.as_str()) && left.contains("lb-1"), "{left}");
    let second = What::Rehearse(Fault::OneWayPartition, node("node-2"), short);
    let said = ask(lab, second)?;
    ensure!(said.contains(&format!("sh /run/tidegate/faults/{id}/undo")), "{said}");
    killed.undo()?;
    as_before(lab, before, "a unit that was killed")?;

    // Hung, and the program is killed: its timer lets it go on.
    let mut hung = Player::start(lab, What::Play(Fault::ServiceHung { service: "app".into() }, node("node-2"), short))?;
    hung.until("begun")?;
    hung.kill()?;
    let answer = lab.command_in("control", "curl")?.args(["-s", "-m", "1", "http://10.77.0.12:8080/ready"]).output()?;
    ensure!(answer.status.code() == Some(28), "it answered, or refused: {answer:?}");
    as_before(lab, before, "a service that hung")?;
    let state = ask(lab, What::State(Box::new(hung.injected()?)))?;
    ensure!(state.contains("undone"), "{state}");

    let words = |program: &str| [program, "/run/app/not-ready"].map(str::to_owned).to_vec();
    let fault = Fault::NotReady { off: words("touch"), on: words("rm") };
    let mut switched = Player::start(lab, What::Play(fault, node("node-2"), short))?;
    switched.until("begun")?;
    let code = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "http://10.77.0.12:8080/ready"];
    let answer = lab.command_in("control", "curl")?.args(code).output()?;
    ensure!(answer.stdout == b"503", "{answer:?}");
    switched.undo()?;

    let fault = Fault::DiskFull { path: DISK.into() };
    let mut full = Player::start(lab, What::Play(fault, node("node-2"), short))?;
    full.until("begun")?;
    let written = says(lab, "node-2", &format!("echo x 2> /dev/null > {DISK}/more || echo full"))?;
    ensure!(written == "full", "there was room: {written}");
    let free = says(lab, "node-2", &format!("stat -f -c %f {DISK}"))?;
    ensure!(free == "0", "{free} blocks are free");
    full.undo()?;
    let left = says(lab, "node-2", &format!("rm -f {DISK}/more; find {DISK} -mindepth 1; stat -f -c '%f %b' {DISK}"))?;
    let (free, all) = left.split_once(' ').context("two numbers")?;
    ensure!(free == all, "something is left: {left}");
    as_before(lab, before, "a switch, and a full disk")
}

fn around_the_cluster(lab: &Lab, before: &BTreeMap<&'static str, String>) -> Result<()> {
    let short = Duration::from_secs(3);
    let lost = |fault, place| Player::start(lab, What::Play(fault, place, short));
    let mut balancer = lost(Fault::BalancerLost { unit: "haproxy.service".into() }, host("lb-1"))?;
    let mut secondary = lost(Fault::SecondaryLost { unit: "named.service".into() }, host("dns-2"))?;
    let mut announcer = lost(Fault::AnnouncerLost { unit: "bird.service".into() }, node("node-1"))?;
    balancer.until("begun")?;
    // It stays away, whoever starts it.
    let state = says(lab, "lb-1", "systemctl start haproxy 2>&1; systemctl is-active haproxy")?;
    ensure!(state.ends_with("failed") || state.ends_with("inactive"), "{state}");
    for (player, machine, unit) in [(&mut secondary, "dns-2", "named"), (&mut announcer, "node-1", "bird")] {
        player.until("begun")?;
        let state = says(lab, machine, &format!("systemctl is-active {unit}"))?;
        ensure!(state == "inactive" || state == "failed", "{unit} is {state}");
    }
    for mut player in [balancer, secondary, announcer] {
        player.undo()?;
    }
    as_before(lab, before, "what is around the cluster")
}

/// The node is lost to the cluster, and comes back.
fn on_nodes(lab: &Lab, before: &BTreeMap<&'static str, String>) -> Result<()> {
    let short = Duration::from_secs(3);
    let lost = |fault, name: &str| Player::start(lab, What::Play(fault, node(name), short));
    for (fault, name) in [(Fault::LinkCut { interface: None }, "node-2"), (Fault::OneWayPartition, "node-3")] {
        let word = fault.word();
        let mut cut = lost(fault, name)?;
        cut.until("begun")?;
        let ping = lab
            .command_in("control", "ping")?
            .args(["-c", "1", "-W", "1", lab.address(name)?.to_string().as_str()])
            .output()?;
        ensure!(!ping.status.success(), "{word}: {name} answers");
        cut.undo()?;
        as_before(lab, before, word)?;
        eprintln!("{word}: as before after {:?}", cut.began.elapsed());
    }
    for (fault, name) in [(Fault::PacemakerKilled, "node-2"), (Fault::NodeFenced, "node-3")] {
        let word = fault.word();
        let mut died = lost(fault, name)?;
        died.until("begun")?;
        within(20, word, || {
            Ok(says(lab, "node-1", &format!("stonith_admin --history {name} | grep 'of {name} successful'"))?
                .contains("reboot"))
        })?;
        within(60, word, || Ok(world(lab)? == *before))?;
        died.undo()?;
        as_before(lab, before, word)?;
        eprintln!("{word}: as before after {:?}", died.began.elapsed());
    }
    // Without power, and the program is killed: the timer on another member gives it back.
    let mut off = lost(Fault::PowerCut, "node-2")?;
    off.until("begun")?;
    off.kill()?;
    let injected = off.injected()?;
    ensure!(injected.seat != injected.place, "the timer is on the node that died: {injected:?}");
    as_before(lab, before, "power-cut")?;
    let state = ask(lab, What::State(Box::new(injected.clone())))?;
    ensure!(state.contains("undone"), "{state}");
    eprintln!("power-cut: as before after {:?}", off.began.elapsed());
    // What is over stays over: it cannot begin again, and to undo it is no error.
    ensure!(ask(lab, What::Undo(Box::new(injected.clone())))?.contains("Ok"), "undone twice");
    let again = ask(lab, What::Inject(Box::new(injected)))?;
    ensure!(again.contains("Refused") && again.contains("played before"), "{again}");
    Ok(())
}
