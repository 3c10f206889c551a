//! Processes of their own: this test program starts itself again, as an executor that is then killed.

use std::{
    fs,
    io::{BufRead, BufReader, Write as _},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tempfile::TempDir;
use tidegate::journal::{Event, Journal, JournalError, chain, holder, holder_id};

use super::full::is_root;
use super::support::{TTL, begun, open, plan, run};

const JOURNAL: &str = "TIDEGATE_TEST_JOURNAL";
const LONG: Duration = Duration::from_secs(3600);

/// A child that is killed, by its own id, however the test ends.
struct Executor {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Executor {
    /// Starts one of the programs below.
    fn start(program: &str, journal: &Path) -> Self {
        Self::start_with(Command::new(std::env::current_exe().expect("this program")), program, journal)
    }

    fn start_with(mut command: Command, program: &str, journal: &Path) -> Self {
        let mut child = command
            .args(["--exact", &format!("journal::crash::{program}"), "--ignored", "--nocapture"])
            .env(JOURNAL, journal)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let stdout = child.stdout.take().expect("its output");
        Self { child, lines: BufReader::new(stdout).lines() }
    }

    /// The next line that is not the test harness's.
    fn says(&mut self) -> String {
        let mut others = Vec::new();
        for line in self.lines.by_ref().map(|l| l.expect("a line")) {
            match line.strip_prefix("> ") {
                Some(said) => return said.to_owned(),
                None => others.push(line),
            }
        }
        panic!("it ended without a word: {}", others.join("\n"))
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "\n> {line}").expect("somebody listens");
}

fn journal_of_the_child() -> PathBuf {
    std::env::var_os(JOURNAL).map(PathBuf::from).expect("started by another test of this file")
}

/// Appends batches of three until it is killed, and says after each how many records are durable.
#[tokio::test]
#[ignore = "a program for the tests below"]
async fn appender() {
    let journal = open(&journal_of_the_child()).await;
    let (now, r1) = (Timestamp::now(), run("r1"));
    let lease = journal.acquire(&holder_id(), now, LONG).await.expect("the lease");
    match journal.open(&lease, &r1, &plan(), None, now).await {
        Ok(()) | Err(JournalError::Refused { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        let batch: Vec<Event> = (0..3).map(begun).collect();
        let records = journal.append(&lease, &r1, &batch, Timestamp::now()).await.expect("appended");
        say(&records[2].seq.to_string());
    }
    panic!("nobody killed it");
}

/// Tries for the lease once, says what came of it, and holds it until its input ends.
#[tokio::test]
#[ignore = "a program for the tests below"]
async fn contender() {
    let journal = open(&journal_of_the_child()).await;
    match journal.acquire(&holder_id(), Timestamp::now(), LONG).await {
        Ok(lease) => say(&format!("token {}", lease.token)),
        Err(JournalError::Held { holder, .. }) => say(&format!("held by {holder}")),
        Err(error) => panic!("{error}"),
    }
    let mut nothing = String::new();
    std::io::stdin().read_line(&mut nothing).expect("the end of the input");
}

/// Reads the journal, tries to write it, and says how both went.
#[tokio::test]
#[ignore = "a program for the tests below"]
async fn onlooker() {
    let journal = open(&journal_of_the_child()).await;
    let records = journal.records(&run("r1")).await.expect("readable");
    assert_eq!(chain::verify(&records), Ok(()));
    let write = journal.request_abort(&run("r1"), "ben", Timestamp::now()).await;
    let refused = matches!(write, Err(JournalError::Storage { reason, .. }) if reason.contains("can only be read"));
    say(&format!("{} {refused}", records.len()));
}

#[tokio::test]
async fn a_killed_executor_leaves_whole_batches_and_a_whole_chain() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("journal.db");
    let mut durable = 0;
    for round in 1..=5 {
        let mut executor = Executor::start("appender", &path);
        let wanted = durable + 30 * round;
        while durable < wanted {
            durable = executor.says().parse().expect("a number");
        }
        executor.kill();
        let journal = open(&path).await;
        let records = journal.records(&run("r1")).await.expect("readable");
        assert_eq!(chain::verify(&records), Ok(()));
        assert!(records.len() >= durable, "{durable} were announced as durable, {} are there", records.len());
        assert_eq!(records.len() % 3, 0, "a batch is whole");
        assert_eq!(records.last().map(|r| r.token), Some(round as u64), "each round took over at once");
        durable = records.len();
    }
    let journal = open(&path).await;
    let lease = journal.acquire(&holder_id(), Timestamp::now(), TTL).await.expect("the dead hold nothing");
    journal.append(&lease, &run("r1"), &[begun(9)], Timestamp::now()).await.expect("and it goes on");
}

#[tokio::test]
async fn of_many_processes_one_gets_the_lease_and_its_death_frees_it() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("new").join("journal.db");
    let mut contenders: Vec<Executor> = (0..4).map(|_| Executor::start("contender", &path)).collect();
    let said: Vec<String> = contenders.iter_mut().map(Executor::says).collect();
    let winners: Vec<usize> = (0..4).filter(|i| said[*i].starts_with("token ")).collect();
    assert_eq!(winners.len(), 1, "{said:?}");
    let winner = &mut contenders[winners[0]];
    let journal = open(&path).await;
    let held = journal.acquire(&holder_id(), Timestamp::now(), TTL).await;
    let name = holder::holder_of(winner.child.id());
    assert!(matches!(&held, Err(JournalError::Held { holder, .. }) if *holder == name), "{held:?}, not {name}");
    winner.kill();
    assert_eq!(journal.holder(Timestamp::now()).await, Ok(None), "the dead hold nothing");
    let lease = journal.acquire(&holder_id(), Timestamp::now(), TTL).await.expect("free at once");
    assert_eq!(lease.token, 2);
}

#[tokio::test]
async fn a_dead_holder_is_known_even_before_its_parent_has_noticed() {
    let dir = TempDir::new().expect("a directory");
    let journal = open(&dir.path().join("journal.db")).await;
    let mut child = Command::new("sleep").arg("60").spawn().expect("a child");
    let name = holder::holder_of(child.id());
    let now = Timestamp::now();
    journal.acquire(&name, now, LONG).await.expect("the lease");
    let held = journal.acquire(&holder_id(), now, TTL).await;
    assert!(matches!(held, Err(JournalError::Held { .. })), "{held:?}");
    child.kill().expect("killed");
    // Not waited for: it stays in the process table, and is dead all the same.
    let deadline = Instant::now() + Duration::from_secs(5);
    while !holder::is_dead(&name) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let taken = journal.acquire(&holder_id(), now, TTL).await;
    child.wait().expect("gone");
    assert_eq!(taken.map(|l| l.token), Ok(2));
    assert!(holder::is_dead(&name), "gone from the process table");
}

#[tokio::test]
async fn a_holder_on_another_host_is_never_taken_for_dead() {
    let dir = TempDir::new().expect("a directory");
    let journal = open(&dir.path().join("journal.db")).await;
    let now = Timestamp::now();
    for name in ["ann@elsewhere:1/1", "ann", ""] {
        let lease = journal.acquire(name, now, TTL).await.expect("the lease");
        let held = journal.acquire(&holder_id(), now, TTL).await;
        assert!(matches!(held, Err(JournalError::Held { .. })), "{name}: {held:?}");
        journal.release(&lease).await.expect("released");
    }
}

/// A member of the journal's group may look on, whether somebody is writing, was killed, or went in order.
#[tokio::test]
async fn who_may_only_read_sees_what_is_durable() {
    if !is_root() {
        return; // Only root may start a program as somebody else.
    }
    let dir = TempDir::new().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o750)).expect("open to the group");
    let program = dir.path().join("program");
    fs::copy(std::env::current_exe().expect("this program"), &program).expect("a copy that others may start");
    let path = dir.path().join("journal.db");
    let look = || {
        let mut command = Command::new(&program);
        command.current_dir("/").uid(65534).gid(0);
        let said = Executor::start_with(command, "onlooker", &path).says();
        let (records, refused) = said.split_once(' ').expect("two words");
        assert_eq!(refused, "true", "a write is refused with the reason");
        records.parse::<usize>().expect("a number")
    };
    let mut executor = Executor::start("appender", &path);
    let durable: usize = executor.says().parse().expect("a number");
    assert!(look() >= durable, "while somebody writes");
    executor.kill();
    let durable = look();
    let journal = open(&path).await;
    assert_eq!(journal.records(&run("r1")).await.expect("the records").len(), durable, "after somebody was killed");
    drop(journal);
    assert_eq!(look(), durable, "after it was closed in order");
}

/// Prints the time of one durable append: `cargo test --test journal -- --ignored --nocapture time_of`.
#[tokio::test]
#[ignore = "a measurement"]
async fn time_of_one_durable_append() {
    let dir = TempDir::new_in(".").expect("a directory on a disk");
    let journal = open(&dir.path().join("journal.db")).await;
    let lease = journal.acquire(&holder_id(), Timestamp::now(), LONG).await.expect("the lease");
    journal.open(&lease, &run("r1"), &plan(), None, Timestamp::now()).await.expect("opened");
    let mut times = Vec::new();
    for step in 0..2000 {
        let started = Instant::now();
        journal.append(&lease, &run("r1"), &[begun(step)], Timestamp::now()).await.expect("appended");
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let (half, most, all) = (times[1000], times[1980], times[1999]);
    say(&format!("one durable append: median {half:?}, 99 % {most:?}, longest {all:?}"));
    assert!(half < Duration::from_millis(50), "an append is expected to take far less than a poll");
}
