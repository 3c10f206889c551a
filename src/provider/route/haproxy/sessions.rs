//! HAProxy's sessions, one by one, made into values. Pure.
//!
//! `show sess` has a line a session of the whole process, of whatever proxy, and `show sess <id>` the rest, the bytes
//! among it. The id is an address in the process's memory: it is used again when a session has ended. So a session is
//! named here by its process, its address *and* where its client comes from, and nothing is cut without another look.

use std::time::Duration;

use super::parse::first_words;
use crate::model::{InstanceName, Straggler};

/// What HAProxy says of an id that nobody has (any more).
const NOT_FOUND: &str = "Session not found.";

/// What it says instead of a list.
const REFUSALS: [&str; 2] = ["Permission denied", "Unknown command"];

/// One session on one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Its address in the process, `0x…`.
    pub(super) pointer: String,
    /// Where its client comes from.
    pub(super) source: String,
    /// Its age, at least. HAProxy takes one second's number from another's, which may be almost one too many (a session of
    /// 5.8 s read `6s` in the lab), and tells the two largest units, the rest cut off.
    pub(super) age: Duration,
}

/// What names one session, and no other, until its process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) pid: u64,
    pub(super) pointer: String,
    pub(super) source: String,
}

/// Bytes that a session moved: from its client, and to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) received: Option<u64>,
    pub(super) sent: Option<u64>,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.pid, self.pointer, self.source)
    }
}

impl Name {
    /// Reads back what was written; `None` where it is no name of a session.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let (pid, pointer, source) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { pid: pid.parse().ok()?, pointer: self::pointer(pointer)?, source: source.to_owned() })
    }
}

impl Session {
    /// The session in everybody's words.
    pub(super) fn straggler(&self, pid: u64, instance: &InstanceName) -> Straggler {
        let name = Name { pid, pointer: self.pointer.clone(), source: self.source.clone() };
        Straggler {
            peer: self.source.clone(),
            age: Some(self.age),
            received: None,
            sent: None,
            idle: None,
            through: Some(instance.clone()),
            id: name.to_string(),
        }
    }
}

/// The sessions on one server, from `show sess`. A refusal is no empty list.
pub(super) fn sessions(answer: &str, backend: &str, server: &str) -> Result<Vec<Session>, String> {
    if let Some(refusal) = answer.lines().find(|line| REFUSALS.iter().any(|said| line.starts_with(said))) {
        return Err(first_words(refusal));
    }
    let (backend, server) = (format!("be={backend}"), format!("srv={server}"));
    let on_server = |line: &&str| line.split(' ').any(|w| w == backend) && line.split(' ').any(|w| w == server);
    answer.lines().filter(on_server).map(|line| session(line).ok_or_else(|| odd(line))).collect()
}

fn session(line: &str) -> Option<Session> {
    let (pointer, rest) = line.split_once(": ")?;
    let field = |name: &str| rest.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let age = time(field("age")?)?.saturating_sub(Duration::from_secs(1));
    Some(Session { pointer: self::pointer(pointer)?, source: field("src")?.to_owned(), age })
}

fn odd(line: &str) -> String {
    format!("a session that cannot be read: {}", first_words(line))
}

/// `0x` and hexadecimal digits: it goes into a command line.
fn pointer(text: &str) -> Option<String> {
    let digits = text.strip_prefix("0x")?;
    let hex = (1..=16).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
    hex.then(|| text.to_owned())
}

/// `1s`, `59m58s`, `1h2m`, `1h5s`, `3d4h`.
fn time(text: &str) -> Option<Duration> {
    let (mut sum, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = (rest.get(..digits)?, rest.get(digits..)?);
        let seconds = match unit.chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
        rest = unit.get(1..)?;
    }
    (!text.is_empty()).then(|| Duration::from_secs(sum))
}

/// The whole descriptions in an answer to `show sess <id>; show sess <id>; …`, by their ids. Those that ended are
/// missing.
pub(super) fn descriptions(answer: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in answer.lines() {
        match line.split_once(": ") {
            Some((id, _)) if pointer(id).is_some() => found.push((id, vec![line])),
            _ if line.trim() == NOT_FOUND => {}
            _ => found.last_mut().into_iter().for_each(|(_, lines)| lines.push(line)),
        }
    }
    found
}

/// The bytes in a description: what was read on either side of it.
pub(super) fn moved(description: &[&str]) -> Moved {
    let total = |channel: &str| {
        let line = description.iter().find(|line| line.trim_start().starts_with(channel))?;
        let number = line.split_whitespace().find_map(|word| word.strip_prefix("total="))?;
        number.trim_end_matches(')').parse().ok()
    };
    Moved { received: total("req=0x"), sent: total("res=0x") }
}

/// Whether a description is of this session on this server.
pub(super) fn is_of(description: &[&str], name: &Name, backend: &str, server: &str) -> bool {
    let says = |word: &str| description.iter().any(|line| line.split_whitespace().any(|w| w == word));
    let id = description.first().and_then(|line| line.split_once(": ")).is_some_and(|(id, _)| id == name.pointer);
    id && says(&format!("source={}", name.source))
        && says(&format!("backend={backend}"))
        && says(&format!("server={server}"))
}

#[cfg(test)]
mod tests;
