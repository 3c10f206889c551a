//! Connections that end, told by the node's kernel at the moment at which they do (`ss --events`).
//!
//! A list of sockets shows a connection of milliseconds only by luck, and what is remembered of it afterwards
//! (TIME_WAIT) is remembered by whoever closed first: where that is the client, the node forgets it at once. The
//! kernel's own news of destroyed sockets has both. `ss` keeps its output to itself until there is much of it unless
//! `stdbuf` (coreutils) says otherwise; and it would stay on the node for ever after its reader has gone, so it ends with
//! its input.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    sync::Mutex as Turn,
    task::JoinHandle,
    time::Instant,
};

use super::sockets::peer;
use crate::provider::{
    ProviderError, Result,
    access::{Access, Following},
};

/// How long an ending is told of: as long as a node remembers those that it closed itself.
const KEPT: Duration = Duration::from_secs(60);
/// Endings that are kept at most, the newest.
const MOST: usize = 4096;
/// Bytes of one line that are read; a longer one is none of `ss`.
const LONGEST: u64 = 4096;
/// Tells of each connection to the port in `$1` that ends, until the input closes.
const FOLLOW: &str = r#"exec 3<&0
stdbuf -oL ss --events --no-header --tcp --numeric "( sport = :$1 )" 2>/dev/null & ss=$!
{ cat <&3; kill "$ss"; } >/dev/null 2>&1 &
wait "$ss""#;

/// Who follows which port of which host.
#[derive(Default)]
pub(super) struct Endings(Turn<BTreeMap<(String, u16), Follower>>);

struct Follower {
    told: Arc<Mutex<Told>>,
    reader: JoinHandle<()>,
}

/// What was told, the newest last.
#[derive(Debug, Default)]
struct Told {
    peers: VecDeque<(SocketAddr, Instant)>,
    /// Why nothing is told any more.
    over: Option<String>,
}

impl Endings {
    /// The far ends of connections that ended within the last minute, as far as it was followed: from the first call on.
    /// An error where that broke off in the meantime; the next call begins anew.
    pub(super) async fn told(&self, access: &dyn Access, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let mut followers = self.0.lock().await;
        let key = (host.to_owned(), port);
        let Some(follower) = followers.get(&key) else {
            let output = access.follow(host, &["sh", "-c", FOLLOW, "tidegate", &port.to_string()]).await?;
            followers.insert(key, Follower::start(output, port));
            return Ok(Vec::new());
        };
        follower.peers().map_err(|why| {
            followers.remove(&key);
            ProviderError::Unexpected(format!("who came to {host} and left is not known: {why}"))
        })
    }
}

impl Follower {
    fn start(output: Box<dyn Following>, port: u16) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let reader = tokio::spawn(read(output, port, Arc::clone(&told)));
        Self { told, reader }
    }

    fn peers(&self) -> std::result::Result<Vec<SocketAddr>, String> {
        let told = lock(&self.told);
        match &told.over {
            Some(why) => Err(why.clone()),
            None => Ok(told.peers.iter().filter(|(_, at)| at.elapsed() < KEPT).map(|(peer, _)| *peer).collect()),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Reads until there is no more, or something that cannot be understood: it could be a client.
async fn read(output: Box<dyn Following>, port: u16, told: Arc<Mutex<Told>>) {
    let (mut output, mut line) = (BufReader::new(output), String::new());
    let over = loop {
        line.clear();
        match (&mut output).take(LONGEST).read_line(&mut line).await {
            Ok(0) => break "ss --events ended (is stdbuf installed, and ss of iproute2 4.3 or later?)".to_owned(),
            Ok(_) => match ending(&line, port) {
                Ok(peer) => lock(&told).add(peer),
                Err(error) => break error.to_string(),
            },
            Err(error) => break error.to_string(),
        }
    };
    lock(&told).over = Some(over);
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Told {
    fn add(&mut self, peer: SocketAddr) {
        if self.peers.len() == MOST {
            self.peers.pop_front();
        }
        self.peers.push_back((peer, Instant::now()));
    }
}

/// One ended connection: its state, and then what every list of `ss` has.
fn ending(line: &str, port: u16) -> Result<SocketAddr> {
    let odd = || ProviderError::Unexpected(format!("ss said: {}", line.trim_end()));
    let (_state, rest) = line.trim_start().split_once(char::is_whitespace).ok_or_else(odd)?;
    peer(rest, port)
}

#[cfg(test)]
mod tests {
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
            tokio::time::sleep(Duration::from_millis(20)).await;
            let said = endings.told(&access, "", 8080).await;
            assert!(matches!(said, Err(ProviderError::Unexpected(_))), "{said:?}");
        }
    }
}
