//! What BIRD says on its control socket, made into values. Pure.
//!
//! A line begins with a code of four digits and `-`, or goes on with the last code after a space. The reply ends with a
//! code and a space. Codes from 8000 on are refusals. Columns of tables are wide enough to always have a space between
//! them; attributes are found by name, in the spelling of version 2 (`BGP.next_hop`) and of 3 (`bgp_next_hop`).

use std::net::IpAddr;

/// One whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    lines: Vec<(u16, String)>,
    /// The code that ends it.
    pub(super) code: u16,
    /// The words behind it.
    pub(super) text: String,
}

/// Codes that are looked for.
pub(super) mod code {
    pub(in super::super) const READY: u16 = 1;
    pub(in super::super) const NETWORK_NOT_FOUND: u16 = 8001;
    pub(in super::super) const NO_PROTOCOLS_MATCH: u16 = 8003;
    pub(in super::super) const ACCESS_DENIED: u16 = 8007;
    pub(in super::super) const NOT_UNDERSTOOD: u16 = 9001;
    pub(in super::super) const FIRST_REFUSAL: u16 = 8000;
    pub(super) const PROTOCOL: u16 = 1002;
    pub(super) const PROTOCOL_DETAILS: u16 = 1006;
    pub(super) const ROUTE: u16 = 1007;
}

/// The code of a line, and whether the reply ends with it. `None` where the line goes on with the one before.
pub(super) fn head(line: &str) -> Option<(u16, bool)> {
    let (digits, rest) = line.split_at_checked(4)?;
    let last = match rest.as_bytes().first() {
        Some(b' ') | None => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok().map(|code| (code, last)))?
}

/// Puts the lines of one reply together; an error where they are none.
pub(super) fn reply(lines: &[String]) -> Result<Reply, String> {
    let mut all: Vec<(u16, String)> = Vec::new();
    for line in lines {
        // `+` begins what BIRD says unasked.
        if line.starts_with('+') {
            continue;
        }
        match (head(line), all.last()) {
            (Some((code, true)), _) => {
                let text = line.get(5..).unwrap_or_default().trim_end().to_owned();
                return Ok(Reply { lines: all, code, text });
            }
            (Some((code, false)), _) => all.push((code, line[5..].to_owned())),
            (None, Some((code, _))) if line.starts_with(' ') => all.push((*code, line[1..].to_owned())),
            (None, _) => return Err(format!("{line:?} is no line of a reply")),
        }
    }
    Err("the reply has no end".into())
}

impl Reply {
    /// The words of a refusal.
    pub(super) fn refusal(&self) -> Option<String> {
        (self.code >= code::FIRST_REFUSAL).then(|| format!("{:04} {}", self.code, self.text))
    }

    fn of(&self, code: u16) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |(c, _)| *c == code).map(|(_, text)| text.as_str())
    }

    /// What stands behind the words that a line begins with.
    fn after(&self, words: &str) -> Option<&str> {
        self.lines.iter().find_map(|(_, text)| text.trim_start().strip_prefix(words)).map(str::trim)
    }
}

/// `show status`: since when it runs, and since when with this configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) reboot: String,
    pub(super) reconfiguration: String,
}

pub(super) fn status(reply: &Reply) -> Result<Status, String> {
    let since = |words: &str| reply.after(words).map(str::to_owned).ok_or(format!("`show status` says no \"{words}\""));
    Ok(Status { reboot: since("Last reboot on")?, reconfiguration: since("Last reconfiguration on")? })
}

/// One row of `show protocols`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Protocol {
    pub(super) name: String,
    pub(super) kind: String,
    /// It is on: up, or on its way there.
    pub(super) enabled: bool,
    /// A BGP session stands.
    pub(super) established: bool,
}

pub(super) fn protocols(reply: &Reply) -> Result<Vec<Protocol>, String> {
    let row = |text: &str| {
        let columns: Vec<&str> = text.split_whitespace().collect();
        let [name, kind, _table, state, rest @ ..] = columns.as_slice() else {
            return Err(format!("{text:?} is no row of `show protocols`"));
        };
        Ok(Protocol {
            name: (*name).to_owned(),
            kind: (*kind).to_owned(),
            enabled: ["up", "start"].contains(state),
            established: *state == "up" && rest.contains(&"Established"),
        })
    };
    reply.of(code::PROTOCOL).map(row).collect()
}

/// Why a protocol is as it is, in the words of who disabled or enabled it; from `show protocols all`.
pub(super) fn message(reply: &Reply) -> Option<String> {
    let message = reply.of(code::PROTOCOL_DETAILS).find_map(|text| text.trim_start().strip_prefix("Message:"))?.trim();
    (!message.is_empty()).then(|| message.to_owned())
}

/// One path to a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// The protocol that it comes from.
    pub(super) protocol: String,
    /// Everything that names its speaker: next hops, the peer, the originator behind a route reflector.
    pub(super) speakers: Vec<IpAddr>,
    /// It carries 65535:0.
    pub(super) marked: bool,
}

/// `show route … all`.
pub(super) fn paths(reply: &Reply) -> Result<Vec<Path>, String> {
    let mut paths: Vec<Path> = Vec::new();
    for (code, text) in &reply.lines {
        let route = if *code == code::ROUTE { text.split_once('[') } else { None };
        if let Some((_, origin)) = route {
            let words = origin.split_once(']').map_or(origin, |(inside, _)| inside);
            let mut words = words.split_whitespace();
            let protocol = words.next().ok_or_else(|| format!("{text:?} names no protocol"))?.to_owned();
            let from = words.skip_while(|word| *word != "from").nth(1).and_then(|word| word.parse().ok());
            paths.push(Path { protocol, speakers: from.into_iter().collect(), marked: false });
        } else if let Some(path) = paths.last_mut() {
            attribute(text.trim(), path);
        } else if !text.starts_with("Table ") {
            return Err(format!("{text:?} belongs to no path"));
        }
    }
    Ok(paths)
}

fn attribute(text: &str, path: &mut Path) {
    if let Some(via) = text.strip_prefix("via ") {
        path.speakers.extend(via.split_whitespace().next().and_then(|word| word.parse::<IpAddr>().ok()));
        return;
    }
    let Some((name, value)) = text.split_once(':') else { return };
    match name.to_ascii_lowercase().replace('.', "_").as_str() {
        "bgp_next_hop" | "bgp_originator_id" => {
            path.speakers.extend(value.split_whitespace().filter_map(|word| word.parse::<IpAddr>().ok()));
        }
        "bgp_community" => path.marked = value.split_whitespace().any(|community| community == "(65535,0)"),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
