//! Programs that speak the protocol of `via = "exec"`: the examples of `config/exec`, and every way to do it wrong.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use tidegate::{
    config::settings::Place,
    model::{Admission, Desired},
    provider::{
        ProviderError, RouteProvider,
        access::{Access, local::LocalAccess},
        route::{
            Tools,
            exec::{Exec, Instance, Settings},
            instances::Seat,
        },
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    backend::Backend,
    process::{Process, free_port, program},
    route::{apply, eventually, fails_in_time, instance, member, view},
};

const LIMIT: Duration = Duration::from_secs(5);

type Route = Arc<dyn RouteProvider>;

fn exec(program: &[&str], server: &str, host: Option<&str>, access: Arc<dyn Access>, limit: Duration) -> Route {
    let seat = Seat { name: instance(), host: host.map(str::to_owned), source: Vec::new(), node: None };
    let settings = Settings {
        program: program.iter().map(|word| (*word).to_owned()).collect(),
        server: server.into(),
        instances: vec![Instance { seat, arguments: Vec::new() }],
    };
    let place = |n: u8| Place {
        node: format!("node-{n:02}").as_str().into(),
        address: Some(Ipv4Addr::new(10, 0, 0, n).into()),
        ssh: format!("node-{n:02}"),
        outside: false,
    };
    let tools = Tools { access, local: Arc::new(LocalAccess::new()), limit };
    Arc::new(Exec::new("web/exec:edge".into(), &settings, &[place(1), place(2)], &tools))
}

/// A program that is one line of a shell.
fn script(text: &str, limit: Duration) -> Route {
    exec(&["sh", "-c", text], "{node}", None, Arc::new(LocalAccess::new()), limit)
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/exec").join(name).display().to_string()
}

/// The cloud balancer of the lab, with two members.
pub struct Cloud {
    directory: TempDir,
    _process: Process,
    _nodes: [Backend; 2],
    front: u16,
    api: u16,
}

impl Cloud {
    pub async fn start() -> Option<Self> {
        let python = program("/usr/bin/python3")?;
        let directory = tempfile::tempdir().expect("a directory");
        let nodes = [Backend::start().await, Backend::start().await];
        let (front, api) = (free_port(), free_port());
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("xtask/files/cloud.py"));
        command.args(["--listen", &format!("127.0.0.1:{front}"), "--api", &format!("127.0.0.1:{api}")]);
        for (node, (name, weight)) in nodes.iter().zip([("node-01", 100), ("node-02", 50)]) {
            command.args(["--target", &format!("{name}=127.0.0.1:{}={weight}", node.port)]);
        }
        let process = Process::start(&mut command, &directory.path().join("log"));
        let cloud = Self { directory, _process: process, _nodes: nodes, front, api };
        eventually(&cloud.route(), "node-01", "serving", |m| m.takes_clients()).await;
        Some(cloud)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).expect("a log")
    }

    pub fn route(&self) -> Route {
        self.route_over(None, Arc::new(LocalAccess::new()))
    }

    pub fn route_over(&self, host: Option<&str>, access: Arc<dyn Access>) -> Route {
        let url = format!("http://127.0.0.1:{}", self.api);
        exec(&[&example("cloud-balancer.py"), &url], "{node}", host, access, LIMIT)
    }

    async fn client(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.front)).await.expect("the balancer");
        let request = format!("GET {path} HTTP/1.1\r\nhost: app\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        stream
    }
}

#[tokio::test]
async fn a_drain_by_a_program_moves_real_connections() {
    let Some(cloud) = Cloud::start().await else { return };
    let route = cloud.route();
    let before = member(&route, "node-01").await;
    let mut answer = [0; 12];
    for _ in 0..6 {
        cloud.client("/").await.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    let counted = member(&route, "node-01").await.requests_total;
    assert_eq!(counted - before.requests_total, 4, "two of three, by weight");
    // Three held, and two of them there.
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(cloud.client("/hold").await);
    }
    eventually(&route, "node-01", "busy", |m| m.sessions == 2).await;
    apply(&route, &Desired::Drained).await;
    for _ in 0..6 {
        cloud.client("/").await.read_exact(&mut answer).await.expect("an answer");
    }
    let drained = member(&route, "node-01").await;
    assert_eq!((drained.sessions, drained.requests_total), (2, counted + 2), "held ones stay, and no new one comes");
    route.close_connections(&instance(), "node-01").await.expect("closed");
    eventually(&route, "node-01", "empty", |m| m.sessions == 0).await;
    assert_eq!(member(&route, "node-02").await.sessions, 1);
    apply(&route, &Desired::Exactly { exact: before.exact }).await;
    let said = cloud.log();
    let changes: Vec<&str> = said.lines().filter_map(|line| line.split_once(' ')).map(|(_, words)| words).collect();
    assert_eq!(changes, ["listening", "node-01 draining 100", "node-01 disconnected", "node-01 active 100"]);
}

#[tokio::test]
async fn a_balancer_that_is_not_there_is_unreachable() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let Some(_python) = program("/usr/bin/python3") else { return };
    let route = exec(&[&example("cloud-balancer.py"), &url], "{node}", None, Arc::new(LocalAccess::new()), LIMIT);
    assert!(matches!(route.observe(&instance()).await, Err(ProviderError::Unreachable(_))));
    fails_in_time(route, LIMIT).await;
}

/// A stand-in for `ipvsadm` that keeps its table in a file: this machine's kernel need not have IPVS.
pub struct Ipvs {
    directory: TempDir,
}

const IPVSADM: &str = r#"#!/usr/bin/python3
import json, sys
path = __file__ + ".json"
table = json.load(open(path))
verb, words = sys.argv[1], sys.argv[2:]
options = dict(zip(words[::2], words[1::2])) if verb != "-L" else {}
if verb == "-L":
    assert words == ["-n", "-t", "10.0.0.100:80"], words
    print("Prot LocalAddress:Port Scheduler Flags")
    print("  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn")
    print("TCP  10.0.0.100:80 wlc" + (" persistent 300" if table["persistent"] else ""))
    for address, (forward, weight, active) in table["servers"].items():
        print(f"  -> {address:<28} {forward:<7} {weight:<6} {active:<10} 0")
    sys.exit()
server = words[words.index("-r") + 1]
if verb == "-d":
    del table["servers"][server]
else:
    if (verb == "-a") == (server in table["servers"]):
        print("Destination already exists" if verb == "-a" else "No such destination", file=sys.stderr)
        sys.exit(1)
    forward = {"-g": "Route", "-i": "Tunnel", "-m": "Masq"}[words[words.index("-r") + 2]]
    table["servers"][server] = [forward, int(words[words.index("-w") + 1]), table["active"].get(server, 0)]
json.dump(table, open(path, "w"))
"#;

impl Ipvs {
    pub fn start(persistent: bool) -> Option<Self> {
        program("/usr/bin/python3")?;
        let directory = tempfile::tempdir().expect("a directory");
        let ipvs = Self { directory };
        std::fs::write(ipvs.at("ipvsadm"), IPVSADM).expect("a program");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(ipvs.at("ipvsadm"), mode).expect("a mode");
        let servers = serde_json::json!({ "10.0.0.1:8080": ["Masq", 4, 3], "10.0.0.2:8080": ["Masq", 2, 0] });
        let table =
            serde_json::json!({ "persistent": persistent, "servers": servers, "active": { "10.0.0.1:8080": 3 } });
        std::fs::write(ipvs.at("ipvsadm.json"), table.to_string()).expect("a table");
        Some(ipvs)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The route, with the suite's names for its members.
    pub fn route(&self) -> Route {
        let ipvsadm = self.at("ipvsadm").display().to_string();
        let program = [&example("ipvs.py"), "--tcp", "10.0.0.100:80", "--ipvsadm", &ipvsadm];
        let route = exec(&program, "{address}:8080", None, Arc::new(LocalAccess::new()), LIMIT);
        crate::renamed::Renamed::route(route, &["10.0.0.1:8080".to_owned(), "10.0.0.2:8080".to_owned()])
    }

    /// No connection on any server.
    pub fn emptied(self) -> Self {
        let table = std::fs::read_to_string(self.at("ipvsadm.json")).expect("a table");
        std::fs::write(self.at("ipvsadm.json"), table.replace(",3]", ",0]").replace(":3}", ":0}")).expect("a table");
        self
    }
}

#[tokio::test]
async fn ipvs_quiesces_takes_out_and_puts_back() {
    let Some(ipvs) = Ipvs::start(true) else { return };
    let route = ipvs.route();
    let before = member(&route, "node-01").await;
    assert_eq!((before.weight, before.sessions), (4, 3));
    apply(&route, &Desired::Drained).await;
    let drained = member(&route, "node-01").await;
    assert!(drained.admission == Admission::Draining && !drained.is_closed(), "clients that stick still come");
    let refused = route.close_connections(&instance(), "node-01").await;
    assert!(matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("can cut nothing")), "{refused:?}");
    apply(&route, &Desired::Closed).await;
    assert!(member(&route, "node-01").await.is_closed());
    apply(&route, &Desired::Serving { weight: 1 }).await;
    assert!(member(&route, "node-01").await.takes_clients());
    apply(&route, &Desired::Exactly { exact: before.exact.clone() }).await;
    assert_eq!(member(&route, "node-01").await, before);
}

#[tokio::test]
async fn what_no_program_may_say() {
    let member = r#"{"admission":"serving","health":"unchecked","weight":1,"sessions":0,"idle":0,"exact":1}"#;
    let whole = format!(r#"{{"version":1,"generation":"g","members":{{"node-01":{member},"node-02":{member}}}}}"#);
    let said = |text: &str| script(&format!("cat > /dev/null; printf '%s' '{text}'"), LIMIT);
    let seen = view(&said(&whole)).await;
    assert!(seen.members.len() == 2 && seen.members["node-01"].takes_clients());
    let edit = |from: &str, to: &str| whole.replacen(from, to, 1);
    for (text, why) in [
        (String::new(), "EOF"),
        ("hello".into(), "expected value"),
        (whole[..whole.len() - 1].to_owned(), "EOF"),
        (whole.clone() + "{}", "trailing"),
        ("[]".into(), "no object with a version"),
        (edit(r#""version":1,"#, ""), "no object with a version"),
        (edit(r#""version":1"#, r#""version":2"#), "version 2"),
        (edit(r#""version":1"#, r#""version":"1""#), "version"),
        (edit(r#""generation":"g","#, ""), "missing field `generation`"),
        (edit(r#""generation":"g""#, r#""generation":"""#), "generation is empty"),
        (edit(r#""generation":"g""#, r#""generation":"g","serial":1"#), "unknown field `serial`"),
        (edit(r#""weight":1"#, r#""weight":-1"#), "invalid value"),
        (edit(r#""weight":1"#, r#""weight":1.5"#), "invalid type"),
        (edit(r#""sessions":0,"#, ""), "missing field `sessions`"),
        (edit(r#""sessions":0"#, r#""sessions":null"#), "invalid type"),
        (edit(r#""exact":1"#, r#""exact":1,"colour":2"#), "unknown field `colour`"),
        (edit(r#""serving""#, r#""up""#), "unknown variant `up`"),
        (edit("node-02", "node-03"), "member node-0"),
        (edit(&format!(r#","node-02":{member}"#), ""), "says nothing of the member node-02"),
        (edit(r#""node-02":"#, &format!(r#""node-03":{member},"node-02":"#)), "nobody asked about the member node-03"),
    ] {
        let seen = said(&text).observe(&instance()).await;
        assert!(matches!(&seen, Err(ProviderError::Unexpected(e)) if e.contains(why)), "{text}\n{why}: {seen:?}");
    }
    for text in [r#"{"version":1}"#, r#"{"version":1,"done":false}"#, r#"{"version":1,"done":true,"x":1}"#, ""] {
        let done = said(text).apply(&instance(), "node-01", &Desired::Drained).await;
        assert!(matches!(done, Err(ProviderError::Unexpected(_))), "{text}: {done:?}");
    }
}

#[tokio::test]
async fn what_no_program_may_do() {
    let ends = |text: &str| script(text, Duration::from_secs(2));
    let apply = async |text: &str| ends(text).apply(&instance(), "node-01", &Desired::Drained).await;
    for (text, why) in [
        ("exit 1", "it ended with 1: no reason given"),
        ("echo one >&2; echo two >&2; exit 3", "it ended with 3: two"),
        ("kill -KILL $$", "a signal ended it"),
        ("echo '{}'; exit 1", "it ended with 1"),
        ("head -c 1100000 /dev/zero | tr '\\0' x", "longer than anybody can mean it"),
        ("echo '{\"version\":1,\"done\":true}'; head -c 70000 /dev/zero | tr '\\0' x >&2", "longer"),
        ("yes", "bytes of output"),
        ("exec /nonexistent/program", "it ended with 127"),
    ] {
        let done = apply(text).await;
        assert!(matches!(&done, Err(ProviderError::Unexpected(e)) if e.contains(why)), "{text}: {done:?}");
    }
    assert_eq!(apply("echo no >&2; exit 10").await, Err(ProviderError::Refused("no".into())));
    assert_eq!(apply("echo gone >&2; exit 11").await, Err(ProviderError::Unreachable("gone".into())));
    // A program that hangs, and one whose child does.
    let began = Instant::now();
    for text in ["exec sleep 60", "sleep 60; echo '{}'", "cat > /dev/null; sleep 60 & wait"] {
        let done = script(text, Duration::from_millis(300)).observe(&instance()).await;
        assert_eq!(done, Err(ProviderError::TimedOut(Duration::from_millis(300))), "{text}");
    }
    assert!(began.elapsed() < Duration::from_secs(3));
    sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn what_a_program_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path().display();
    let text = format!("cat > {at}/request; env > {at}/environment; echo '{{\"version\":1,\"done\":true}}'");
    let route = script(&text, LIMIT);
    route.apply(&instance(), "node-01", &Desired::Serving { weight: 7 }).await.expect("done");
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect("a file");
    let request: serde_json::Value = serde_json::from_str(&read("request")).expect("JSON");
    let expected = serde_json::json!({
        "version": 1, "call": "apply", "route": "web/exec:edge", "instance": "lb-01", "member": "node-01",
        "members": [
            { "name": "node-01", "node": "node-01", "address": "10.0.0.1" },
            { "name": "node-02", "node": "node-02", "address": "10.0.0.2" },
        ],
        "desired": { "want": "serving", "weight": 7 },
    });
    assert_eq!(request, expected);
    let mut names: Vec<String> =
        read("environment").lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect();
    names.retain(|name| !["_", "PWD", "SHLVL", "OLDPWD"].contains(&name.as_str()));
    names.sort();
    assert_eq!(names, ["LC_ALL", "PATH"], "nothing of ours");
}
