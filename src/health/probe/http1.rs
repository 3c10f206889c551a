//! `GET` over HTTP/1.1 on a connection that is used once.
//!
//! The request is made once for all probes of a target, and the answer's head is read in place: a general client costs
//! more processor time than the connection itself. An answer counts when it is whole. Its body is read up to a limit;
//! the status has been seen by then, so the rest is left unread.

use bytes::Bytes;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    Failure, Kind,
    expect::{headers, judge},
};
use crate::config::expect::Expect;

mod body;

use body::{Body, Framing};

/// Bytes of an answer's head; more is no answer.
const MAX_HEAD: usize = 16 << 10;
/// Headers of an answer; more is no answer.
const MAX_HEADERS: usize = 64;
/// Bytes of a body that are read.
const MAX_BODY: usize = 64 << 10;
/// Interim answers (status 1xx) before the real one.
const MAX_INTERIM: usize = 4;
/// What is asked for at once: a usual `/ready` fits, and so does the block into the allocator's quickest store.
const BLOCK: usize = 512;

/// A request, and what is expected as its answer.
#[derive(Clone, Debug)]
pub struct Get {
    request: Bytes,
    expect: Expect,
}

impl Get {
    /// `GET path`, with this Host header.
    pub fn new(path: &str, host: &str, expect: Expect) -> Self {
        let agent = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {agent}\r\naccept: */*\r\nconnection: close\r\n\r\n"
        );
        Self { request: request.into(), expect }
    }

    /// Asks on this connection, and ends it.
    pub(super) async fn ask(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Failure> {
        // A server may answer without reading, and be gone: its answer is what counts.
        let sent = stream.write_all(&self.request).await;
        let mut buffer = Vec::with_capacity(BLOCK);
        let mut head = None;
        let mut interim = 0;
        loop {
            let ended = match stream.read_buf(&mut buffer).await {
                Ok(n) => n == 0,
                Err(error) => return Err(broke(&sent.err().unwrap_or(error))),
            };
            while head.is_none()
                && let Some((found, length)) = self.read_head(&buffer)?
            {
                buffer.drain(..length);
                if found.status.is_informational() && interim < MAX_INTERIM {
                    interim += 1;
                } else {
                    head = Some(found);
                }
            }
            let Some(found) = &mut head else {
                if ended {
                    return Err(closed("before it answered"));
                }
                if buffer.len() > MAX_HEAD {
                    return Err(no_http("a head without an end"));
                }
                continue;
            };
            let whole = match found.framing.read(&buffer, ended) {
                Body::Whole => true,
                Body::More if ended => return Err(closed("in the middle of its answer")),
                Body::More => buffer.len() >= MAX_BODY,
                Body::Broken => return Err(no_http("a chunk without a length")),
            };
            if whole {
                let seen = std::mem::replace(&mut found.headers, Ok(()));
                return judge(&self.expect, found.status.as_u16(), seen, || found.framing.content(&buffer));
            }
        }
    }

    /// The first head in `bytes` and its length; `None` where it is not whole yet.
    fn read_head(&self, bytes: &[u8]) -> Result<Option<(Head, usize)>, Failure> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(no_http(error)),
        };
        let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or_else(|| no_http("an answer without a status"))?;
        let named = |name: &str| {
            let name = name.to_owned();
            response.headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(&name)).map(|h| h.value)
        };
        let framing = Framing::of(status, named("transfer-encoding").next_back(), named("content-length").next());
        let framing = framing.ok_or_else(|| no_http("a length that is no number"))?;
        Ok(Some((Head { status, framing, headers: headers(&self.expect, named) }, length)))
    }
}

/// The head of an answer.
struct Head {
    status: StatusCode,
    framing: Framing,
    /// Whether the headers are as expected.
    headers: Result<(), Failure>,
}

fn broke(error: &std::io::Error) -> Failure {
    Failure::new(Kind::Closed, format!("the connection broke: {error}"))
}

fn closed(when: &str) -> Failure {
    Failure::new(Kind::Closed, format!("the connection broke: the node closed it {when}"))
}

fn no_http(why: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Protocol, format!("no HTTP: {why}"))
}
