//! A question over HTTP from a host's network, without a program there.
//!
//! HTTP/1.0: the answer ends with the connection, so nothing has to be put together.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::lab::Lab;

/// Time limit of the connection, of sending and of each read.
const LIMIT: Duration = Duration::from_secs(5);
/// Largest answer that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// Asks for `path`, with these parameters behind it, from `host`'s network. An answer other than 200 is an error that
/// quotes it, and so is one that is too long.
pub fn get(lab: &Lab, host: &str, to: SocketAddr, path: &str, parameters: &[(&str, &str)]) -> Result<String> {
    let mut target = path.to_owned();
    for (n, (name, value)) in parameters.iter().enumerate() {
        let separator = if n == 0 { '?' } else { '&' };
        let _ = write!(target, "{separator}{}={}", encoded(name), encoded(value));
    }
    let mut stream = lab.connect_from(host, to, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let failed = || format!("{path} of {to}");
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {to}\r\n\r\n").with_context(failed)?;
    let mut bytes = Vec::new();
    stream.take(LARGEST + 1).read_to_end(&mut bytes).with_context(failed)?;
    ensure!(bytes.len() as u64 <= LARGEST, "{} answers with more than {LARGEST} bytes", failed());
    let text = String::from_utf8(bytes).with_context(failed)?;
    body(&text).with_context(failed)
}

fn body(answer: &str) -> Result<String> {
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer, or a cut one")?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("{status}: {}", body.trim().chars().take(500).collect::<String>());
    }
    Ok(body.to_owned())
}

/// As it stands in a URL: everything but letters, digits and `-._~` by its bytes.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
            _ => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
        url
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_survive_a_url() {
        assert_eq!(encoded("sum(a{b=~\"c d\"}) + 1"), "sum%28a%7Bb%3D~%22c%20d%22%7D%29%20%2B%201");
    }

    #[test]
    fn only_a_whole_good_answer_is_one() {
        assert_eq!(body("HTTP/1.0 200 OK\r\nA: b\r\n\r\nx\r\n\r\ny").expect("an answer"), "x\r\n\r\ny");
        let error = body("HTTP/1.0 400 Bad Request\r\n\r\nparse error").expect_err("refused");
        assert!(error.to_string().contains("parse error"), "{error}");
        assert!(body("HTTP/1.0 200 OK\r\nA:").is_err());
    }
}
