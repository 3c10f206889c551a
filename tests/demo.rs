//! `tidegate demo` as a person starts it: the whole program, on loopback, without root.

use std::sync::{Mutex, PoisonError};

use assert_cmd::Command;
use tidegate::demo::{DemoVerdict, Mode};

/// One at a time: each sends as much as a small machine can take.
static ALONE: Mutex<()> = Mutex::new(());

/// The verdict on the last line of stdout, and everything on stderr.
fn demo(args: &[&str]) -> (DemoVerdict, String) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let run = Command::cargo_bin("tidegate").expect("it is built").arg("demo").args(args).arg("--json").assert();
    let output = run.success().get_output().clone();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let last = out.lines().last().expect("a verdict");
    (serde_json::from_str(last).expect("one JSON object"), err.into_owned())
}

#[test]
fn a_drain_loses_nothing() {
    let (verdict, told) = demo(&[]);
    assert_eq!((verdict.mode, verdict.failed), (Mode::Drain, 0), "{verdict:?}\n{told}");
    assert!(verdict.requests >= 5000 && verdict.took_s < 30.0 && verdict.restored, "{verdict:?}");
    assert!(verdict.slow_in_flight > 0 && verdict.drain_s > 0.5, "something was there to wait for: {verdict:?}");
    assert!(verdict.idle_after_drain.is_some_and(|n| n > 0), "{verdict:?}");
    assert!(told.contains("connections drained") && told.contains("routing restored"), "{told}");
}

#[test]
fn standby_alone_loses_requests() {
    let (verdict, told) = demo(&["--naive"]);
    assert_eq!(verdict.mode, Mode::Naive);
    assert!(verdict.requests >= 5000 && verdict.failed > 0 && verdict.took_s < 30.0, "{verdict:?}\n{told}");
}
