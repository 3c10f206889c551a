//! What `ss -i` tells of single sockets: bytes, and the time since the last one. Pure, and as strict as the list.
//!
//! A socket has a line, and a second one that begins with white space. `ss` leaves out what is zero, and old kernels
//! leave out what they do not count; the two are told apart by the segments, which came with the same kernel. The
//! kernel does not tell when a connection began: who wants its age has to have seen it come.

use std::{net::SocketAddr, time::Duration};

use super::sockets::peer;
use crate::{
    model::Straggler,
    provider::{ProviderError, Result},
};

/// Reads a whole answer about the sockets of one port.
pub(super) fn details(answer: &str, port: u16) -> Result<Vec<Straggler>> {
    let mut found: Vec<(SocketAddr, Option<&str>)> = Vec::new();
    for line in answer.lines().filter(|line| !line.trim().is_empty()) {
        match (line.starts_with([' ', '\t']), found.last_mut()) {
            (false, _) => found.push((peer(line, port)?, None)),
            (true, Some((_, more @ None))) => *more = Some(line),
            (true, _) => return Err(ProviderError::Unexpected(format!("ss said: {line}"))),
        }
    }
    found.into_iter().map(|(peer, more)| read(peer, more.unwrap_or_default())).collect()
}

fn read(peer: SocketAddr, info: &str) -> Result<Straggler> {
    let number = |name: &str| -> Result<Option<u64>> {
        let value = info.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
        let odd = |_| ProviderError::Unexpected(format!("ss said: {name}:{}", value.unwrap_or_default()));
        value.map(str::parse).transpose().map_err(odd)
    };
    let counts = number("segs_in")?.is_some() || number("segs_out")?.is_some();
    let bytes = |name: &str| number(name).map(|n| n.or(counts.then_some(0)));
    let idle = match (number("lastsnd")?, number("lastrcv")?) {
        (Some(sent), Some(received)) => Some(Duration::from_millis(sent.min(received))),
        _ => None,
    };
    Ok(Straggler { received: bytes("bytes_received")?, sent: bytes("bytes_acked")?, idle, ..Straggler::direct(&peer) })
}

#[cfg(test)]
mod tests {
    use super::*;

    // As iproute2 6.1 has it, with what is not read cut out.
    const ANSWER: &str = "\
0      0      127.0.0.1:8080 127.0.0.1:47680
\t bbr wscale:10,10 rto:208 cwnd:12 bytes_sent:1129 bytes_acked:1120 bytes_received:1142 segs_out:3 segs_in:6 \
data_segs_out:2 bbr:(bw:16624940184bps,mrtt:0.017) send 624813559bps lastsnd:3444 lastrcv:2100 lastack:3400 minrtt:0.017
0      0      [::ffff:127.0.0.1]:8080 [::ffff:10.0.0.9]:47710
\t cubic rto:200 cwnd:10 segs_out:1 segs_in:3 lastsnd:90 lastrcv:120 lastack:90
0      0      127.0.0.1:8080 127.0.0.1:47711
\t cubic rto:200 cwnd:10
0      0      127.0.0.1:8080 127.0.0.1:47712
";

    #[test]
    fn bytes_and_silence_are_read() {
        let read = details(ANSWER, 8080).expect("details");
        let seen: Vec<_> = read.iter().map(|s| (s.peer.as_str(), s.received, s.sent, s.idle)).collect();
        let millis = |n| Some(Duration::from_millis(n));
        assert_eq!(
            seen,
            [
                ("127.0.0.1:47680", Some(1142), Some(1120), millis(2100)),
                ("10.0.0.9:47710", Some(0), Some(0), millis(90)),
                ("127.0.0.1:47711", None, None, None),
                ("127.0.0.1:47712", None, None, None),
            ]
        );
        assert!(read.iter().all(|s| s.age.is_none() && s.through.is_none()));
        assert_eq!(details("", 8080), Ok(Vec::new()));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let swapped = ANSWER.lines().skip(1).collect::<Vec<_>>().join("\n");
        let twice = format!("{ANSWER}\t cubic\n\t cubic\n");
        let other = ANSWER.replace("127.0.0.1:8080", "127.0.0.1:9090");
        let text = ANSWER.replace("bytes_received:1142", "bytes_received:many");
        for odd in [swapped, twice, other, text, "Welcome to node-02\n".into()] {
            assert!(matches!(details(&odd, 8080), Err(ProviderError::Unexpected(_))), "{odd}");
        }
    }
}
