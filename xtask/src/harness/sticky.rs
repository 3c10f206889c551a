//! Clients that stay with one node by a cookie: each keeps its own, and comes back with it every so often.
//!
//! A load balancer sends them to their node even while it is draining, for as long as they come. What a drain owes them is
//! that none sees an error, and that the node goes only after they have.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;

use super::websocket::now;
use crate::lab::Lab;

/// Time limit of a request.
const LIMIT: Duration = Duration::from_secs(5);
/// More than any answer that the lab gives.
const MAX_ANSWER: u64 = 64 << 10;

/// Clients that come back; they stop when this is dropped.
#[derive(Debug)]
pub struct StickyClients {
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    thread: JoinHandle<Vec<Visit>>,
    stop: Arc<AtomicBool>,
}

/// One request of a client.
#[derive(Clone, Debug, Serialize)]
pub struct Visit {
    /// When it was sent, in seconds since 1970.
    pub at: f64,
    /// Who answered.
    pub node: Option<String>,
    /// The cookie that it was sent with.
    pub cookie: Option<String>,
    /// Why there was no good answer.
    pub error: Option<String>,
}

impl StickyClients {
    /// Lets so many clients come every so often, each with a cookie of its own.
    pub fn start(lab: &Lab, to: SocketAddr, count: usize, every: Duration) -> Self {
        let start = |_| {
            let (lab, stop) = (lab.clone(), Arc::new(AtomicBool::new(false)));
            let stopped = Arc::clone(&stop);
            let thread = thread::spawn(move || visits(&lab, to, every, &stopped));
            Client { thread, stop }
        };
        Self { clients: (0..count).map(start).collect() }
    }

    /// Makes the first so many of them stay away from now on.
    pub fn leave(&self, count: usize) {
        self.clients.iter().take(count).for_each(|client| client.stop.store(true, Ordering::SeqCst));
    }

    /// Ends all of them and tells each one's visits.
    pub fn finish(mut self) -> Result<Vec<Vec<Visit>>> {
        self.leave(self.clients.len());
        let clients = std::mem::take(&mut self.clients);
        clients.into_iter().map(|client| client.thread.join().map_err(|_| anyhow!("a client's thread broke"))).collect()
    }
}

impl Drop for StickyClients {
    fn drop(&mut self) {
        self.leave(self.clients.len());
    }
}

fn visits(lab: &Lab, to: SocketAddr, every: Duration, stop: &AtomicBool) -> Vec<Visit> {
    let mut visits = Vec::new();
    let mut cookie: Option<String> = None;
    while !stop.load(Ordering::SeqCst) {
        let mut visit = Visit { at: now(), node: None, cookie: cookie.clone(), error: None };
        match request(lab, to, cookie.as_deref()) {
            Ok(answer) => {
                visit.node = answer.node;
                cookie = answer.cookie.or(cookie);
            }
            Err(error) => visit.error = Some(format!("{error:#}")),
        }
        visits.push(visit);
        sleep(every);
    }
    visits
}

/// What a client takes from an answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    node: Option<String>,
    cookie: Option<String>,
}

fn request(lab: &Lab, to: SocketAddr, cookie: Option<&str>) -> Result<Answer> {
    let mut stream = lab.connect_from("client", to, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let cookie = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
    write!(stream, "GET / HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{cookie}\r\n")?;
    let mut text = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut text).context("no whole answer")?;
    read(&text)
}

fn read(text: &str) -> Result<Answer> {
    let (head, body) = text.split_once("\r\n\r\n").context("the answer breaks off")?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/1.1 200"), "{status}");
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|h| h.1.trim())
    };
    let length: usize =
        header("content-length").and_then(|length| length.parse().ok()).context("an answer without a length")?;
    ensure!(body.len() == length, "{} of {length} bytes came", body.len());
    let cookie = header("set-cookie").and_then(|cookie| cookie.split(';').next());
    Ok(Answer { node: header("x-node").map(str::to_owned), cookie: cookie.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_and_the_node_are_read_and_half_an_answer_is_none() {
        let whole =
            "HTTP/1.1 200 OK\r\nX-Node: node-1\r\nSet-Cookie: NODE=node-1; path=/\r\nContent-Length: 2\r\n\r\nhi";
        let answer = read(whole).expect("an answer");
        assert_eq!((answer.node.as_deref(), answer.cookie.as_deref()), (Some("node-1"), Some("NODE=node-1")));
        assert!(read(&whole[..whole.len() - 1]).is_err());
        assert!(read("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").is_err());
    }
}
