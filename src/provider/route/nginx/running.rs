//! What `look.sh` says: the master, its workers, the connections to members, and the include.
//!
//! NGINX has no way to ask a worker which configuration it runs. But a worker never changes: it runs what the master
//! had read when it was started. So an include is in effect where every worker that takes clients was started after
//! the file was last touched.
//!
//! A worker's start is counted in ticks since the boot. For a version of the file that Tidegate wrote, a note beside it
//! holds a tick between its writing and the reload, and nothing but ticks is compared. For any other the file's time is
//! one of another clock, and both are compared through a process that began while that clock was read. Where this leaves
//! a doubt (some hundredths of a second) the answer is no, until somebody reloads.
//!
//! A worker that crashed is started again with what the master had read, which this cannot see: an include that
//! another hand edited and did not load, on an NGINX all of whose workers have crashed since, would count as loaded.

use crate::provider::{
    ProviderError, Result,
    route::outgoing::{self, Outgoing},
};

/// Ticks in a second, in everything that Linux tells programs.
const TICKS: i128 = 100;
const NANOS: i128 = 1_000_000_000;

/// One look at an NGINX and one include.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// The master's process id and start: another one is another process.
    pub master: (u32, u64),
    /// Workers that take clients.
    pub workers: Vec<Process>,
    /// Workers that only finish what they have.
    pub old: Vec<Process>,
    /// Connections to members, of whatever process.
    pub outgoing: Vec<Outgoing>,
    /// The include.
    pub content: String,
    file: Stamp,
    /// A version of the include, and a tick such that a worker that began later has read this one.
    note: Option<(Stamp, u64)>,
    clock: (i128, u64),
}

/// One worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// Its id.
    pub pid: u32,
    /// When it began, in ticks since the boot.
    pub began: u64,
}

/// What identifies a version of a file; times in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    /// When its inode changed, which no program can choose.
    changed: i128,
}

impl Look {
    /// Reads what `look.sh` printed.
    pub fn read(said: &str) -> Result<Self> {
        let odd = |line: &str| ProviderError::Unexpected(format!("the look at NGINX said: {line}"));
        let (words, content) =
            said.split_once("\ncontent\n").ok_or_else(|| odd(&said.chars().take(200).collect::<String>()))?;
        let (mut master, mut clock, mut file, mut note) = (None, None, None, None);
        let (mut workers, mut old, mut outgoing) = (Vec::new(), Vec::new(), Vec::new());
        for line in words.lines() {
            let (word, rest) = line.split_once(' ').ok_or_else(|| odd(line))?;
            let mut next = rest.split(' ');
            let mut take = || next.next().ok_or_else(|| odd(line));
            match word {
                "master" => master = Some((number(take()?)?, number(take()?)?)),
                "child" => {
                    let process = Process { pid: number(take()?)?, began: number(take()?)? };
                    match next.collect::<Vec<_>>().join(" ").as_str() {
                        "nginx: worker process" => workers.push(process),
                        title if title.contains("shutting down") => old.push(process),
                        // The cache's manager and loader carry no clients.
                        _ => {}
                    }
                }
                "clock" => clock = Some((nanos(take()?)?, number(take()?)?)),
                "file" => file = Some(Stamp { inode: number(take()?)?, changed: nanos(take()?)? }),
                "note" => {
                    let boot = take()?;
                    let stamp = Stamp { inode: number(take()?)?, changed: nanos(take()?)? };
                    let same_boot = take()? == boot;
                    note = Some((stamp, number(take()?)?)).filter(|_| same_boot);
                }
                state if state.starts_with(|c: char| c.is_ascii_uppercase()) => outgoing.extend(outgoing::read(line)?),
                _ => return Err(odd(line)),
            }
        }
        let missing = |what: &str| ProviderError::Unexpected(format!("the look at NGINX says nothing of its {what}"));
        Ok(Self {
            master: master.ok_or_else(|| missing("master"))?,
            workers,
            old,
            outgoing,
            content: content.to_owned(),
            file: file.ok_or_else(|| missing("include"))?,
            note,
            clock: clock.ok_or_else(|| missing("clock"))?,
        })
    }

    /// Whether every worker that takes clients has read the include as it is now.
    pub fn is_in_effect(&self) -> bool {
        self.lead().is_some_and(|lead| lead >= 0)
    }

    /// The start of the oldest worker that takes clients.
    pub fn oldest(&self) -> Option<u64> {
        self.workers.iter().map(|w| w.began).min()
    }

    /// By how much the oldest worker is younger than the include, at least, in nanoseconds.
    pub fn lead(&self) -> Option<i128> {
        let oldest = self.oldest()?;
        if let Some((_, tick)) = self.note.filter(|(of, _)| *of == self.file) {
            return Some((i128::from(oldest) - i128::from(tick) - 1) * NANOS / TICKS);
        }
        // The clock's process began after the time was read, so this is never later than the truth.
        let (now, ticks) = self.clock;
        let age = i128::from(ticks) + 1 - i128::from(oldest);
        Some(now - age * NANOS / TICKS - self.file.changed)
    }

    /// Whether a connection is one of this NGINX's. One that no process is told of could be.
    pub fn holds(&self, connection: &Outgoing) -> bool {
        let ours = |pid: u32| self.workers.iter().chain(&self.old).any(|p| p.pid == pid);
        // Workers of a master that was replaced (a new binary) have another parent, and the same name.
        connection.holders.is_empty() || connection.holders.iter().any(|(name, pid)| name == "nginx" || ours(*pid))
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| ProviderError::Unexpected(format!("the look at NGINX has no number in {word:?}")))
}

/// `1795254043.268976352`
fn nanos(word: &str) -> Result<i128> {
    let odd = || ProviderError::Unexpected(format!("the look at NGINX has no time in {word:?}"));
    let (seconds, rest) = word.split_once('.').ok_or_else(odd)?;
    if rest.len() != 9 {
        return Err(odd());
    }
    Ok(number::<i128>(seconds)? * NANOS + number::<i128>(rest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Workers began at `began` ticks; the file was touched `at` milliseconds after the boot.
    fn look(began: &[u64], at: i128, more: &str) -> Look {
        let boot = 1_000_000 * 1000;
        let time = |ms: i128| format!("{}.{:03}000000", (boot + ms) / 1000, (boot + ms) % 1000);
        let workers: String =
            began.iter().enumerate().map(|(i, b)| format!("child {} {b} nginx: worker process\n", i + 10)).collect();
        let text = format!(
            "master 9 100\n{workers}child 8 90 nginx: worker process is shutting down\nchild 7 9 nginx: cache manager process\n\
             clock {} 1000\n{more}file 5 {t}\ncontent\nserver a;\ncontent\n",
            time(10_000),
            t = time(at)
        );
        Look::read(&text).expect("understood")
    }

    #[test]
    fn everything_is_read() {
        let socket = "ESTAB 0 0 127.0.0.1:1 127.0.0.1:80 users:((\"nginx\",pid=8,fd=2))\n";
        let look = look(&[500, 510], 0, socket);
        assert_eq!((look.master, look.workers.len(), look.old.len()), ((9, 100), 2, 1));
        assert_eq!(look.content, "server a;\ncontent\n");
        assert!(look.holds(&look.outgoing[0]));
        let other = |holders: &[(&str, u32)]| {
            let mut other = look.outgoing[0].clone();
            other.holders = holders.iter().map(|(n, p)| ((*n).to_owned(), *p)).collect();
            other
        };
        assert!(look.holds(&other(&[])) && look.holds(&other(&[("nginx", 99)])) && look.holds(&other(&[("edge", 10)])));
        assert!(!look.holds(&other(&[("haproxy", 99)])));
    }

    #[test]
    fn a_worker_must_be_younger_than_the_file() {
        assert!(look(&[500, 510], 4900, "").is_in_effect());
        assert!(!look(&[500, 510], 5050, "").is_in_effect(), "one worker is older");
        assert!(!look(&[500], 4999, "").is_in_effect(), "too close to tell");
        assert!(!look(&[], 0, "").is_in_effect(), "no worker runs at all");
    }

    #[test]
    fn a_note_about_this_very_file_needs_no_clock() {
        let noted = |began: u64, note: &str| {
            // By the clock the file is newer than the worker in any case.
            let text = format!(
                "master 9 100\nchild 10 {began} nginx: worker process\nclock 1000010.000000000 1000\n\
                 file 5 1000009.900000000\n{note}content\n"
            );
            Look::read(&text).expect("understood").is_in_effect()
        };
        assert!(noted(500, "note a 5 1000009.900000000 a 499\n"));
        assert!(!noted(499, "note a 5 1000009.900000000 a 499\n"), "the same tick could be before");
        assert!(!noted(500, ""));
        assert!(!noted(500, "note a 6 1000009.900000000 a 1\n"), "another file");
        assert!(!noted(500, "note a 5 1000009.800000000 a 1\n"), "touched since");
        assert!(!noted(500, "note b 5 1000009.900000000 a 1\n"), "ticks of another boot");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            "",
            "content\n",
            "master 9\ncontent\n",
            "master 9 100\nclock 1.000000000 5\ncontent\n",
            "master 9 100\nclock 1.0 5\nfile 1 1.000000000\ncontent\n",
            "master 9 100\nwhat 1\nclock 1.000000000 5\nfile 1 1.000000000\ncontent\n",
            "master 9 100\nclock 1.000000000 5\nfile 1 1.000000000\n",
        ] {
            assert!(Look::read(text).is_err(), "{text:?}");
        }
    }
}
