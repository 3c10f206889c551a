//! Connections that end, told by the node's kernel at the moment at which they do (`ss --events`).
//!
//! A list of sockets shows a connection of milliseconds only by luck, and what is remembered of it afterwards
//! (TIME_WAIT) is remembered by whoever closed first: where that is the client, the node forgets it at once. The
//! kernel's own news of destroyed sockets has both. `ss` keeps its output to itself until there is much of it unless
//! `stdbuf` (coreutils) says otherwise; and it would stay on the node for ever after its reader has gone, so it ends with
//! its input. A node that has not both programs is no quiet node: it says what it lacks.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    sync::{Mutex as Turn, watch},
    task::JoinHandle,
    time::{Instant, timeout},
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
/// Time within which a node must begin to tell.
const BEGINS: Duration = Duration::from_secs(3);
/// Least time between two beginnings, where it broke off.
const AGAIN: Duration = Duration::from_secs(2);
/// What the node lacks to tell of endings; nothing where it has all.
macro_rules! lacking {
    () => {
        r#"for program in stdbuf ss; do
  command -v "$program" >/dev/null 2>&1 || { echo "!$program"; exit; }
done
case "$(ss --help 2>&1 </dev/null)" in *--events*) ;; *) echo '!events'; exit ;; esac"#
    };
}
/// Says what the node lacks.
const LACKING: &str = lacking!();
/// Tells of each connection to the port in `$1` that ends, until the input closes. What `ss` complains of is told too.
const FOLLOW: &str = concat!(
    lacking!(),
    r#"
exec 3<&0
stdbuf -oL ss --events --no-header --tcp --numeric "( sport = :$1 )" 2>&1 & ss=$!
{ cat <&3; kill "$ss"; } >/dev/null 2>&1 &
echo '!listening'
wait "$ss""#
);

/// What a node lacks to tell of connections that end, and what to do about it; `None` where it lacks nothing.
pub(super) async fn lacking(access: &dyn Access, host: &str, limit: Duration) -> Result<Option<String>> {
    let said = access.run(host, &["sh", "-c", LACKING], limit).await?;
    match (said.code, said.stdout.trim()) {
        (Some(0), "") => Ok(None),
        (Some(0), word) if words(word).is_some() => Ok(words(word).map(str::to_owned)),
        (_, other) => Err(ProviderError::Unexpected(format!("{other} {}", said.stderr.trim()))),
    }
}

fn words(word: &str) -> Option<&'static str> {
    match word {
        "!stdbuf" => Some("`stdbuf` is not installed there: install coreutils"),
        "!ss" => Some("`ss` is not installed there: install iproute2, 4.3 or later"),
        "!events" => Some("its `ss` knows no `--events`: install iproute2, 4.3 or later"),
        _ => None,
    }
}

/// Who follows which port of which host.
#[derive(Default)]
pub(super) struct Endings(Turn<BTreeMap<(String, u16), Follower>>);

struct Follower {
    began: Instant,
    stage: watch::Receiver<Stage>,
    told: Arc<Told>,
    reader: JoinHandle<()>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Begins,
    Listens,
    /// Why nothing is told any more.
    Over(String),
}

impl Endings {
    /// The far ends of connections that ended within the last minute, as far as it was followed: from the first call on.
    /// An error where the node does not tell, or broke off in the meantime: then it is begun anew, though not at once.
    pub(super) async fn told(&self, access: &dyn Access, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let mut followers = self.0.lock().await;
        let key = (host.to_owned(), port);
        let stale = |f: &Follower| matches!(*f.stage.borrow(), Stage::Over(_)) && f.began.elapsed() >= AGAIN;
        if followers.get(&key).is_none_or(stale) {
            followers.remove(&key);
            let output = access.follow(host, &["sh", "-c", FOLLOW, "tidegate", &port.to_string()]).await?;
            followers.insert(key.clone(), Follower::start(output, port));
        }
        let silent = || ProviderError::Unreachable("it does not begin to tell".to_owned());
        followers.get_mut(&key).ok_or_else(silent)?.peers().await.map_err(ProviderError::Unreachable)
    }
}

impl Follower {
    fn start(output: Box<dyn Following>, port: u16) -> Self {
        let (says, stage) = watch::channel(Stage::Begins);
        let told = Arc::default();
        let reader = tokio::spawn(read(output, port, Arc::clone(&told), says));
        Self { began: Instant::now(), stage, told, reader }
    }

    async fn peers(&mut self) -> std::result::Result<Vec<SocketAddr>, String> {
        let decided = timeout(BEGINS, self.stage.wait_for(|stage| *stage != Stage::Begins)).await;
        match decided.ok().and_then(std::result::Result::ok).map(|stage| stage.clone()) {
            Some(Stage::Over(why)) => Err(why),
            Some(Stage::Listens) => {
                let told = lock(&self.told);
                Ok(told.iter().filter(|(_, at)| at.elapsed() < KEPT).map(|(peer, _)| *peer).collect())
            }
            Some(Stage::Begins) | None => Err(format!("`ss --events` did not begin within {} s", BEGINS.as_secs())),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

type Told = Mutex<VecDeque<(SocketAddr, Instant)>>;

/// Reads until there is no more, or something that cannot be understood: it could be a client.
async fn read(output: Box<dyn Following>, port: u16, told: Arc<Told>, says: watch::Sender<Stage>) {
    let (mut output, mut line) = (BufReader::new(output), String::new());
    let over = loop {
        line.clear();
        match (&mut output).take(LONGEST).read_line(&mut line).await {
            Ok(0) => break "`ss --events` ended there, or the way to it broke".to_owned(),
            Ok(_) if line == "!listening\n" => drop(says.send(Stage::Listens)),
            Ok(_) => match (words(line.trim_end()), ending(&line, port)) {
                (Some(lacking), _) => break lacking.to_owned(),
                (None, Ok(peer)) => add(&told, peer),
                (None, Err(error)) => break error.to_string(),
            },
            Err(error) => break error.to_string(),
        }
    };
    drop(says.send(Stage::Over(over)));
}

fn lock(told: &Told) -> MutexGuard<'_, VecDeque<(SocketAddr, Instant)>> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The newest last.
fn add(told: &Told, peer: SocketAddr) {
    let mut told = lock(told);
    if told.len() == MOST {
        told.pop_front();
    }
    told.push_back((peer, Instant::now()));
}

/// One ended connection: its state, and then what every list of `ss` has.
fn ending(line: &str, port: u16) -> Result<SocketAddr> {
    let odd = || ProviderError::Unexpected(format!("ss said: {}", line.trim_end()));
    let (_state, rest) = line.trim_start().split_once(char::is_whitespace).ok_or_else(odd)?;
    peer(rest, port).map_err(|_| odd())
}

#[cfg(test)]
mod tests;
