//! What HAProxy's runtime API says, made into values. Pure.
//!
//! Columns are found by name: versions add columns, so unknown ones are skipped, and a missing one that is needed
//! is an error. Where two readings of a field are possible, the one below was measured on HAProxy 2.6.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use counters::{counters, slow_start, stand_by};

use super::configured::{Running, kind};
use crate::model::{
    Admission, Counters, Exact, Health, MemberView,
    balancer::{Check, Layer},
};

mod counters;

/// Bits of `srv_admin_state`, which is written in decimal.
pub(super) const FORCED_MAINT: u32 = 0x01;
pub(super) const FORCED_DRAIN: u32 = 0x08;
/// Forced, inherited from a tracked server, or without an address. Bit 0x04 is no part of it: it only remembers
/// that the configuration said `disabled`, and stays set on a server that `state ready` put into service.
const ANY_MAINT: u32 = 0x01 | 0x02 | 0x20;
const ANY_DRAIN: u32 = 0x08 | 0x10;

/// `srv_op_state` of a server that may take traffic.
const RUNNING: u32 = 2;
/// Bits of `srv_check_state`: checks are configured, and not disabled at run time.
const CHECK_CONFIGURED_AND_ENABLED: u32 = 0x02 | 0x04;
/// `srv_check_result` of a check that passed.
const CHECK_PASSED: u32 = 3;

/// One server of the backend.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Server {
    admin: u32,
    op_state: u32,
    check_state: u32,
    check_result: u32,
    since_change: u64,
    status: String,
    check: String,
    /// The server (`backend/server`) whose health this one follows.
    pub(super) tracked: Option<String>,
    pub(super) weight: u32,
    pub(super) load: Load,
    requests: u64,
    errors: u64,
    counters: Counters,
    effective_weight: Option<u32>,
    configured_weight: Option<u32>,
    backup: bool,
}

/// What is connected to one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) sessions: u64,
    pub(super) idle: u64,
}

/// One answer to `show info; show cli level; show stat …; show servers state …`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Snapshot {
    pub(super) pid: u64,
    pub(super) generation: String,
    pub(super) level: String,
    pub(super) servers: BTreeMap<String, Server>,
}

impl Server {
    /// Whether the runtime API (not a tracked server, not DNS) put it into maintenance or drain.
    pub(super) fn forced(&self) -> u32 {
        self.admin & (FORCED_MAINT | FORCED_DRAIN)
    }

    /// Checks of its own run, so its health heals by itself.
    pub(super) fn checks(&self) -> bool {
        self.check_state & CHECK_CONFIGURED_AND_ENABLED == CHECK_CONFIGURED_AND_ENABLED
    }

    /// Counts as able to take traffic, by its checks or by decree.
    pub(super) fn running(&self) -> bool {
        self.op_state == RUNNING
    }

    fn admission(&self) -> Admission {
        if self.admin & ANY_MAINT != 0 {
            Admission::Out
        } else if self.admin & ANY_DRAIN != 0 {
            Admission::Draining
        } else {
            Admission::Serving
        }
    }

    fn health(&self) -> Health {
        let passed = self.running() && (self.tracked.is_some() || self.check_result == CHECK_PASSED);
        let checked = self.checks() || self.tracked.is_some();
        match (checked, passed) {
            (true, true) => Health::Passing,
            // Unchecked, but `set server … health down` made it stop: nothing will bring it back by itself.
            (false, _) if !self.running() && self.admin & ANY_MAINT == 0 => {
                Health::Failing { reason: format!("{}, and no check brings it back", self.status) }
            }
            (false, _) => Health::Unchecked,
            (true, false) => Health::Failing { reason: self.why() },
        }
    }

    fn why(&self) -> String {
        match (&self.tracked, self.check.is_empty()) {
            (Some(tracked), _) => format!("{}, follows {tracked}", self.status),
            (None, true) => self.status.clone(),
            (None, false) => format!("{}, last check: {}", self.status, self.check),
        }
    }

    /// Enough to put it back: what the runtime API forced, and the weight.
    pub(super) fn exact(&self) -> Exact {
        Exact(json!({ "forced": self.forced(), "weight": self.weight }))
    }

    /// The member in everybody's words, with what old workers still hold added.
    pub(super) fn view(&self, old: Load) -> MemberView {
        MemberView {
            admission: self.admission(),
            health: self.health(),
            still_chosen: self.running() && matches!(self.health(), Health::Failing { .. }),
            weight: self.weight,
            sessions: self.load.sessions.saturating_add(old.sessions),
            idle: self.load.idle.saturating_add(old.idle),
            requests_total: self.requests,
            errors_total: self.errors,
            counters: self.counters,
            effective_weight: self.effective_weight,
            configured_weight: self.configured_weight,
            since_change: Some(Duration::from_secs(self.since_change)),
            exact: self.exact(),
            // Clients with the server's cookie, or in its stick table, are let in while it drains.
            admits_bound: self.admission() == Admission::Draining,
            ..MemberView::default()
        }
    }
}

/// Reads back what [`Server::exact`] wrote: the forced bits and the weight.
pub(super) fn forced_and_weight(exact: &Exact) -> Option<(u32, u32)> {
    let field = |name: &str| exact.0.get(name)?.as_u64()?.try_into().ok();
    let (forced, weight): (u32, u32) = (field("forced")?, field("weight")?);
    (forced & !(FORCED_MAINT | FORCED_DRAIN) == 0).then_some((forced, weight))
}

/// One value of `show info`.
fn info<'a>(answer: &'a str, key: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

/// The process that answered `show info`.
pub(super) fn pid(answer: &str) -> Option<u64> {
    info(answer, "Pid")?.parse().ok()
}

/// Reads one whole answer about `backend`.
pub(super) fn snapshot(answer: &str, backend: &str) -> Result<Snapshot, String> {
    if answer.lines().any(|line| line == "No such proxy." || line == "Can't find backend.") {
        return Err(format!("there is no backend {backend}"));
    }
    let pid = pid(answer).ok_or("'show info' names no Pid")?;
    // A process id can come again after a restart (in a container it always does), so the start belongs to it.
    let generation = match info(answer, "Start_time_sec") {
        Some(start) => format!("{pid}@{start}"),
        None => format!("{pid}"),
    };
    let level = answer.lines().find(|line| matches!(*line, "admin" | "operator" | "user")).unwrap_or("unknown");
    let stats = stats(answer, backend)?;
    let mut servers = BTreeMap::new();
    for row in states(answer)? {
        if row.text("be_name")? != backend {
            continue;
        }
        let name = row.text("srv_name")?;
        let stat = stats.get(name).ok_or_else(|| format!("'show stat' has no row for {backend}/{name}"))?;
        servers.insert(name.to_owned(), server(&row, stat)?);
    }
    stand_by(&mut servers);
    if servers.is_empty() {
        return Err(format!("backend {backend} has no servers: {}", first_words(answer)));
    }
    Ok(Snapshot { pid, generation, level: level.to_owned(), servers })
}

fn server(state: &Row, stat: &Row) -> Result<Server, String> {
    Ok(Server {
        admin: state.number("srv_admin_state")?,
        op_state: state.number("srv_op_state")?,
        check_state: state.number("srv_check_state")?,
        check_result: state.number("srv_check_result")?,
        since_change: state.number("srv_time_since_last_change")?,
        weight: state.number("srv_uweight")?,
        status: stat.text("status")?.to_owned(),
        check: check_words(stat)?,
        tracked: Some(stat.text("tracked")?).filter(|t| !t.is_empty()).map(str::to_owned),
        load: load(stat)?,
        requests: stat.number("stot")?,
        // Connections that failed, responses that did not come or broke off, and 5xx that came: each is counted
        // under one of the three only (503, 504 and 502 that HAProxy itself makes are not in hrsp_5xx).
        counters: counters(stat)?,
        effective_weight: slow_start(stat)?,
        configured_weight: state.optional("srv_iweight")?.and_then(|weight| u32::try_from(weight).ok()),
        backup: stat.count("bck")? > 0,
        errors: stat.number::<u64>("econ")? + stat.number::<u64>("eresp")? + stat.count("hrsp_5xx")?,
    })
}

fn check_words(stat: &Row) -> Result<String, String> {
    let parts = [stat.text("check_status")?, stat.text("check_code")?, stat.text("last_chk")?];
    Ok(parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(" "))
}

/// Requests that wait for this very server are traffic too. `srv_icur` is missing before HAProxy 2.0: then no idle
/// pool explains any socket, which errs on the safe side.
fn load(stat: &Row) -> Result<Load, String> {
    let sessions = stat.number::<u64>("scur")? + stat.number::<u64>("qcur")?;
    Ok(Load { sessions, idle: stat.count("srv_icur")? })
}

/// Sessions and idle connections of every server, from an old worker's `show stat`. A backend that the old
/// worker never had holds nothing there.
pub(super) fn loads(answer: &str, backend: &str) -> Result<BTreeMap<String, Load>, String> {
    if answer.trim() == "No such proxy." {
        return Ok(BTreeMap::new());
    }
    stats(answer, backend)?.into_iter().map(|(name, row)| Ok((name, load(&row)?))).collect()
}

/// What the running process says of the backend's configuration. A check that never got beyond the port says only how
/// far it came, so only one that passed tells its kind.
pub(super) fn running(answer: &str, backend: &str) -> Result<Running, String> {
    let rows = stats(answer, backend)?;
    if rows.is_empty() {
        return Err(format!("there is no server in the backend {backend}"));
    }
    let layer = match rows.values().find_map(|row| row.0.get("mode").filter(|m| !m.is_empty())).map(String::as_str) {
        Some("http") => Some(Layer::Requests),
        Some("tcp") => Some(Layer::Connections),
        _ => None,
    };
    let mut checks = Vec::new();
    for row in rows.values().filter(|row| row.0.get("bck").is_none_or(|b| b != "1")) {
        let status = row.text("check_status")?;
        let follows = !row.text("tracked")?.is_empty();
        checks.push(if row.text("status")? == "no check" && !follows {
            Some(Check::None)
        } else {
            Some(status).filter(|s| s.contains("OK")).and_then(kind)
        });
    }
    let weakest = |wanted: fn(&Check) -> bool| checks.iter().flatten().find(|c| wanted(c)).cloned();
    let check = weakest(|c| *c == Check::None)
        .or_else(|| weakest(|c| *c == Check::Port))
        .or_else(|| weakest(|c| *c == Check::Handshake))
        .or_else(|| weakest(|_| true));
    Ok(Running { layer, check })
}

/// Current and old workers, by process id, from the master's `show proc`.
pub(super) fn workers(answer: &str) -> Result<(Vec<u64>, Vec<u64>), String> {
    let (mut current, mut old, mut in_old) = (Vec::new(), Vec::new(), None);
    for line in answer.lines() {
        match line.trim_end() {
            "# workers" => in_old = Some(false),
            "# old workers" => in_old = Some(true),
            line if line.starts_with('#') => {}
            line => {
                let mut words = line.split_whitespace();
                let (Some(pid), Some("worker")) = (words.next(), words.next()) else { continue };
                let pid = pid.parse().map_err(|_| format!("'show proc' has a worker without a number: {line}"))?;
                if in_old == Some(true) { old.push(pid) } else { current.push(pid) }
            }
        }
    }
    match in_old {
        Some(_) => Ok((current, old)),
        None => Err(format!("no list of workers in 'show proc': {}", first_words(answer))),
    }
}

/// The beginning of an answer, for an error message.
pub(super) fn first_words(answer: &str) -> String {
    let line = answer.lines().find(|line| !line.trim().is_empty()).unwrap_or("an empty answer");
    line.chars().take(120).collect()
}

/// One line of a table, by column.
struct Row(BTreeMap<String, String>);

impl Row {
    fn of(header: &[String], cells: Vec<String>) -> Result<Self, String> {
        if cells.len() > header.len() {
            return Err(format!("a row of {} cells under {} columns", cells.len(), header.len()));
        }
        Ok(Self(header.iter().cloned().zip(cells).collect()))
    }

    fn text(&self, column: &str) -> Result<&str, String> {
        self.0.get(column).map(String::as_str).ok_or_else(|| format!("no column {column}"))
    }

    fn number<T: std::str::FromStr>(&self, column: &str) -> Result<T, String> {
        let text = self.text(column)?;
        text.parse().map_err(|_| format!("column {column} holds '{text}', not a number"))
    }

    /// A number that this kind of server, or this version, may not have.
    fn optional(&self, column: &str) -> Result<Option<u64>, String> {
        match self.0.get(column).map(String::as_str) {
            None | Some("") => Ok(None),
            Some(_) => self.number(column).map(Some),
        }
    }

    /// A counter that this kind of server, or this version, may not have.
    fn count(&self, column: &str) -> Result<u64, String> {
        self.optional(column).map(Option::unwrap_or_default)
    }
}

/// `show stat`: the backend's servers by name. The sums over all of them (`BACKEND`) are left out.
fn stats(answer: &str, backend: &str) -> Result<BTreeMap<String, Row>, String> {
    const SERVER: &str = "2";
    let mut records = csv(section(answer, "# pxname,")?);
    let header = records.next().unwrap_or_default();
    let mut servers = BTreeMap::new();
    for cells in records {
        let row = Row::of(&header, cells)?;
        if row.text("pxname")? == backend && row.text("type")? == SERVER {
            servers.insert(row.text("svname")?.to_owned(), row);
        }
    }
    Ok(servers)
}

/// `show servers state`: one line a server, words separated by blanks.
fn states(answer: &str) -> Result<Vec<Row>, String> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut lines = section(answer, "# be_id ")?.lines();
    let header = lines.next().map(words).unwrap_or_default();
    lines.take_while(|line| !line.trim().is_empty()).map(|line| Row::of(&header, words(line))).collect()
}

/// What follows the `# ` of the line that begins with `header`, to the end of the answer.
fn section<'a>(answer: &'a str, header: &str) -> Result<&'a str, String> {
    let starts = |at: usize| at == 0 || answer.as_bytes().get(at - 1) == Some(&b'\n');
    let found = answer.match_indices(header).map(|(at, _)| at).find(|at| starts(*at));
    let at = found.ok_or_else(|| format!("no table '{header}…' in the answer: {}", first_words(answer)))?;
    Ok(&answer[at + "# ".len()..])
}

/// Records up to the first empty line. Cells may be quoted (check output is), with doubled quotes and line
/// breaks inside.
fn csv(text: &str) -> impl Iterator<Item = Vec<String>> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
        loop {
            match (chars.next(), quoted) {
                (None, _) if cells.is_empty() && cell.is_empty() => return None,
                (None, _) => break,
                (Some('"'), true) if chars.next_if_eq(&'"').is_some() => cell.push('"'),
                (Some('"'), _) => quoted = !quoted,
                (Some(','), false) => cells.push(std::mem::take(&mut cell)),
                (Some('\n'), false) if cells.is_empty() && cell.is_empty() => return None,
                (Some('\n'), false) => break,
                (Some(c), _) => cell.push(c),
            }
        }
        cells.push(cell);
        Some(cells)
    })
}

#[cfg(test)]
mod tests;
