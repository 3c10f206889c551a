//! Who holds the lease, and whether that process still lives.
//!
//! A holder is written as `user@host:pid/start`, `start` being the process's start time in clock ticks since boot
//! (field 22 of `/proc/PID/stat`, proc(5)): a pid alone is given to somebody else sooner or later. A process in a
//! container adds `/namespace`, the inode of its pid namespace, because its pid means another process outside.
//!
//! An executor that was killed cannot give its lease back. Where it can be *shown* to be dead, on this host and in
//! this pid namespace, nobody has to wait for the lease to run out. Every doubt counts as alive.

use std::{fs, process};

use rustix::{
    io::Errno,
    process::{Pid, getuid, test_kill_process},
};

/// The inode of the first pid namespace, the same on every kernel (`PROC_PID_INIT_INO`).
const FIRST_NAMESPACE: &str = "4026531836";

/// The holder that the current process is.
pub fn holder_id() -> String {
    holder_of(process::id())
}

/// The holder that a process of this user in this pid namespace is. Without a start time where `/proc` does not
/// tell it; such a holder is never known to be dead.
pub fn holder_of(pid: u32) -> String {
    let user = user();
    let host = host().unwrap_or_else(|| "unknown-host".to_owned());
    let start = Stat::read(pid).map(|s| format!("/{}", s.start)).unwrap_or_default();
    let namespace = namespace().filter(|n| n != FIRST_NAMESPACE && !start.is_empty());
    let namespace = namespace.map(|n| format!("/{n}")).unwrap_or_default();
    format!("{user}@{host}:{pid}{start}{namespace}")
}

/// Whether this holder is a process of this host and pid namespace that does not live any more. Anything that
/// cannot be told is `false`.
pub fn is_dead(holder: &str) -> bool {
    let (Some(parsed), Some(host), Some(namespace)) = (Holder::parse(holder), host(), namespace()) else {
        return false;
    };
    if parsed.host != host || parsed.namespace != namespace {
        return false;
    }
    let Some(pid) = i32::try_from(parsed.pid).ok().and_then(Pid::from_raw) else { return false };
    // Asked of the kernel first: a /proc mounted with `hidepid` shows living processes of others as missing.
    if test_kill_process(pid) == Err(Errno::SRCH) {
        return true;
    }
    Stat::read(parsed.pid).is_some_and(|stat| stat.start != parsed.start || matches!(stat.state, 'Z' | 'X'))
}

/// A holder, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Holder<'a> {
    host: &'a str,
    pid: u32,
    start: u64,
    namespace: &'a str,
}

impl<'a> Holder<'a> {
    fn parse(holder: &'a str) -> Option<Self> {
        let (who, process) = holder.rsplit_once(':')?;
        let (_, host) = who.rsplit_once('@')?;
        let mut parts = process.split('/');
        let pid = parts.next()?.parse().ok()?;
        let start = parts.next()?.parse().ok()?;
        let namespace = parts.next().unwrap_or(FIRST_NAMESPACE);
        parts.next().is_none().then_some(Self { host, pid, start, namespace })
    }
}

/// The two fields of `/proc/PID/stat` that matter here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    start: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The second field is the command in parentheses and may itself hold spaces and parentheses, so the fields
    /// are counted from the last one: state is field 3, start time field 22.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let start = fields.nth(18)?.parse().ok()?;
        Some(Self { state, start })
    }
}

fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|n| !n.is_empty())
}

fn namespace() -> Option<String> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    let inode = link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?;
    Some(inode.to_owned())
}

/// The account's name from the local accounts; for those that live elsewhere what the login said, at last the number.
fn user() -> String {
    let uid = getuid().as_raw().to_string();
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    named.or_else(|| std::env::var("LOGNAME").ok()).filter(|n| !n.is_empty()).unwrap_or(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let stat = "42 (a) S (b 7) R 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 1000 10";
        assert_eq!(Stat::parse(stat), Some(Stat { state: 'R', start: 98765 }));
    }

    #[test]
    fn a_holder_is_taken_apart() {
        let plain = Holder { host: "ops-1", pid: 7, start: 99, namespace: FIRST_NAMESPACE };
        assert_eq!(Holder::parse("ann@example@ops-1:7/99"), Some(plain));
        let contained = Holder { host: "ops-1", pid: 7, start: 99, namespace: "4026532198" };
        assert_eq!(Holder::parse("ann@ops-1:7/99/4026532198"), Some(contained));
        for unusable in ["", "ann", "ann@ops-1", "ann@ops-1:7", "ann@ops-1:x/99", "ann@ops-1:7/99/1/2"] {
            assert_eq!(Holder::parse(unusable), None, "{unusable}");
        }
    }

    #[test]
    fn only_what_is_shown_to_be_dead_is_dead() {
        let ours = holder_id();
        assert!(!is_dead(&ours), "{ours}");
        let pid = process::id();
        let host = host().expect("a host name");
        let namespace = namespace().expect("a namespace");
        assert!(is_dead(&format!("x@{host}:{pid}/1/{namespace}")), "the same pid, another start time");
        assert!(!is_dead(&format!("x@elsewhere:{pid}/1/{namespace}")), "another host");
        assert!(!is_dead(&format!("x@{host}:{pid}/1/1")), "another pid namespace");
        assert!(!is_dead(&format!("x@{host}:{pid}")), "no start time");
        assert!(!is_dead(&format!("x@{host}:0/1/{namespace}")), "no process at all");
    }
}
