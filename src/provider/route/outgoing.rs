//! The connections from a proxy's machine to members, as `ss` shows them there.
//!
//! Whose they are is told by the process that holds them. Only a connection that a process holds can carry a client;
//! what the kernel alone still knows (a side that is closed already) cannot. Where `ss` may not tell processes, which
//! takes root, an open connection without one could be anybody's, and counts.

use std::net::SocketAddr;

use super::machine::{Machine, failed};
use crate::{
    provider::{ProviderError, Result},
    traffic::sockets::address,
};

/// Connections that one call of `ss` cuts; the filter is a part of the command line.
const AT_ONCE: usize = 200;

/// One connection to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    /// This end, as `ss` writes it.
    near: String,
    /// The far end, as `ss` writes it.
    far: String,
    /// The member.
    pub peer: SocketAddr,
    /// The processes that hold it, by name and id.
    pub holders: Vec<(String, u32)>,
}

/// The columns that [`read`] understands, for connections that are open or being opened or closed.
pub(super) const ASK: [&str; 5] = ["-Htnp", "state", "connected", "exclude", "time-wait"];

/// One line of `ss -Htnp state connected`; `None` where no process can use it any more.
pub(super) fn read(line: &str) -> Result<Option<Outgoing>> {
    let odd = || ProviderError::Unexpected(format!("ss said: {line}"));
    let (columns, users) = line.split_once(" users:").map_or((line, None), |(columns, users)| (columns, Some(users)));
    let words: Vec<&str> = columns.split_whitespace().collect();
    let [state, _, _, near, far] = words[..] else { return Err(odd()) };
    let holders = users.map_or(Some(Vec::new()), holders).ok_or_else(odd)?;
    let peer = address(far).ok_or_else(odd)?;
    address(near).ok_or_else(odd)?;
    if holders.is_empty() && state != "ESTAB" && state != "SYN-SENT" {
        return Ok(None);
    }
    Ok(Some(Outgoing { near: bare(near), far: bare(far), peer, holders }))
}

/// `(("nginx",pid=16921,fd=7),("nginx",pid=16922,fd=7))`
fn holders(text: &str) -> Option<Vec<(String, u32)>> {
    let list = text.trim_end().strip_prefix("((")?.strip_suffix("))")?;
    let holder = |one: &str| {
        let (name, rest) = one.strip_prefix('"')?.rsplit_once("\",pid=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    list.split("),(").map(holder).collect()
}

/// Without the interface, which a filter does not take.
fn bare(end: &str) -> String {
    match end.split_once('%') {
        Some((host, rest)) => {
            let port = rest.rsplit_once(':').map_or("", |(_, port)| port);
            format!("{host}:{port}")
        }
        None => end.to_owned(),
    }
}

/// Those to `peers`, by what the machine says now.
pub(super) async fn list(machine: &Machine, filter: &str) -> Result<Vec<Outgoing>> {
    let said = machine.feed(&[&["ss"], &ASK[..], &[filter]].concat(), &[]).await?;
    if said.code != Some(0) {
        return Err(failed("ss", &said));
    }
    said.stdout.lines().filter_map(|line| read(line).transpose()).collect()
}

/// Cuts these connections, and no others: both ends see a reset. Needs root, and a kernel that can.
pub(super) async fn cut(machine: &Machine, some: &[Outgoing]) -> Result<()> {
    for some in some.chunks(AT_ONCE) {
        let one = |o: &Outgoing| format!("( src {} and dst {} )", o.near, o.far);
        let filter = some.iter().map(one).collect::<Vec<_>>().join(" or ");
        let said = machine.feed(&["ss", "-KHtn", "state", "connected", &filter], &[]).await?;
        if said.code != Some(0) || !said.stderr.trim().is_empty() {
            return Err(failed("ss -K", &said));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_and_who_holds_it() {
        let line =
            "ESTAB 0 0 127.0.0.1:34334 127.0.0.1:18082 users:((\"nginx\",pid=16921,fd=12),(\"my app\",pid=7,fd=1))";
        let seen = read(line).expect("understood").expect("a connection");
        assert_eq!(seen.peer.to_string(), "127.0.0.1:18082");
        assert_eq!(seen.holders, [("nginx".to_owned(), 16921), ("my app".to_owned(), 7)]);
        let seen = read("ESTAB 0 0 [fe80::1]%eth0:1 [fe80::2]%eth0:80").expect("understood").expect("a connection");
        assert_eq!((seen.near.as_str(), seen.far.as_str()), ("[fe80::1]:1", "[fe80::2]:80"));
    }

    #[test]
    fn only_what_a_process_can_still_use() {
        assert_eq!(read("FIN-WAIT-2 0 0 127.0.0.1:1 127.0.0.1:80"), Ok(None));
        for line in [
            "FIN-WAIT-2 0 0 127.0.0.1:1 127.0.0.1:80 users:((\"nginx\",pid=1,fd=2))",
            "SYN-SENT 0 1 127.0.0.1:1 127.0.0.1:80",
            "ESTAB 0 0 127.0.0.1:1 127.0.0.1:80",
        ] {
            assert!(read(line).expect("understood").is_some(), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_is_an_error() {
        for line in ["", "ESTAB 0 0 127.0.0.1:1", "ESTAB 0 0 * 127.0.0.1:80", "ESTAB 0 0 127.0.0.1:1 127.0.0.1:80 x"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
