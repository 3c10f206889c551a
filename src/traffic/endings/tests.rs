//! A real `ss` on real connections, and machines that lack it.

use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::provider::access::local::LocalAccess;

#[test]
fn an_ending_has_a_state_before_its_ends() {
    let line = "UNCONN 1      0      10.77.0.12:8080  10.77.0.3:59592";
    assert_eq!(ending(line, 8080).map(|p| p.to_string()).as_deref(), Ok("10.77.0.3:59592"));
    for odd in ["", "UNCONN", "ss: permission denied", "UNCONN 0 0 10.77.0.12:9090 10.77.0.3:1"] {
        assert!(ending(odd, 8080).is_err(), "{odd:?}");
    }
}

#[tokio::test]
async fn a_connection_that_the_client_closed_first_is_told() {
    if !std::path::Path::new("/usr/bin/ss").exists() && !std::path::Path::new("/bin/ss").exists() {
        eprintln!("NOT RUN: ss (iproute2) is not installed");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (endings, access) = (Endings::default(), LocalAccess::new());
    assert_eq!(endings.told(&access, "", port).await, Ok(Vec::new()));
    // Until `ss` listens nobody is told; clients come until one is.
    for _ in 0..100 {
        let client = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        let from = client.local_addr().expect("an address");
        let (mut server, _) = listener.accept().await.expect("a connection");
        drop(client);
        let _ = server.read(&mut [0; 8]).await;
        drop(server);
        tokio::time::sleep(Duration::from_millis(50)).await;
        if endings.told(&access, "", port).await.expect("what was told").contains(&from) {
            return;
        }
    }
    panic!("no ending was told");
}

#[tokio::test]
async fn what_broke_off_is_no_silence() {
    let (endings, access) = (Endings::default(), LocalAccess::new());
    let over: [Box<dyn Following>; 2] = [Box::new(tokio::io::empty()), Box::new(tokio::io::repeat(b'x'))];
    for output in over {
        endings.0.lock().await.insert((String::new(), 8080), Follower::start(output, 8080));
        for _ in 0..2 {
            let said = endings.told(&access, "", 8080).await;
            assert!(matches!(said, Err(ProviderError::Unreachable(_))), "{said:?}");
        }
    }
}

/// A machine with these programs and no others.
fn machine(programs: &[(&str, &str)]) -> tempfile::TempDir {
    let bin = tempfile::tempdir().expect("a directory");
    for (name, text) in programs {
        let path = bin.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a program");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode");
    }
    bin
}

/// The same access, with only these programs in its path.
struct Poor(LocalAccess, tempfile::TempDir);

impl Poor {
    fn words<'a>(&'a self, path: &'a str, argv: &[&'a str]) -> Vec<&'a str> {
        ["/usr/bin/env", path, "/bin/sh"].into_iter().chain(argv.iter().skip(1).copied()).collect()
    }

    fn path(&self) -> String {
        format!("PATH={}", self.1.path().display())
    }
}

#[async_trait::async_trait]
impl Access for Poor {
    async fn run(&self, host: &str, argv: &[&str], limit: Duration) -> Result<crate::provider::access::Output> {
        let path = self.path();
        self.0.run(host, &self.words(&path, argv), limit).await
    }

    async fn follow(&self, host: &str, argv: &[&str]) -> Result<Box<dyn Following>> {
        let path = self.path();
        self.0.follow(host, &self.words(&path, argv)).await
    }

    async fn connect_unix(&self, _: &str, _: &std::path::Path) -> Result<Box<dyn crate::provider::access::Stream>> {
        Err(ProviderError::Unreachable("not asked".into()))
    }

    async fn system_bus(&self, _: &str) -> Result<zbus::Connection> {
        Err(ProviderError::Unreachable("not asked".into()))
    }
}

#[tokio::test]
async fn a_machine_without_the_programs_says_which_and_what_to_do() {
    const OLD: (&str, &str) = ("ss", "echo 'Usage: ss [ OPTIONS ]'; echo '   -h, --help'");
    const BUF: (&str, &str) = ("stdbuf", "shift; exec \"$@\"");
    const SPEAKS: &str =
        "case $1 in --help) echo '  -E, --events' ;; *) echo 'Cannot open netlink socket' >&2; exit 1 ;; esac";
    type Case = (&'static [(&'static str, &'static str)], &'static str, bool);
    let cases: [Case; 4] = [
        (&[OLD], "install coreutils", true),
        (&[BUF], "install iproute2", true),
        (&[BUF, OLD], "knows no `--events`", true),
        (&[BUF, ("ss", SPEAKS), ("cat", "exec /bin/cat")], "ss said: Cannot open netlink socket", false),
    ];
    for (programs, expected, lacks) in cases {
        let (endings, access) = (Endings::default(), Poor(LocalAccess::new(), machine(programs)));
        // `ss` may fail after it has begun; it is told then.
        let mut said = endings.told(&access, "", 8080).await;
        for _ in 0..100 {
            if said.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            said = endings.told(&access, "", 8080).await;
        }
        assert!(matches!(&said, Err(ProviderError::Unreachable(why)) if why.contains(expected)), "{said:?}");
        let lacking = lacking(&access, "", Duration::from_secs(5)).await.expect("an answer");
        assert_eq!(lacking.is_some_and(|why| why.contains(expected)), lacks, "{expected}");
    }
}
