//! The dead man's timer: a transient timer of systemd, on the machine, whose service undoes the fault.
//!
//! It is armed and read back before anything begins. It runs the very program that [`super::Injector::undo`] runs, so there
//! is one way to undo a fault, and it may run twice. A service that fails is started again every few seconds, for the
//! cluster may not be ready to forget at first.

use std::time::Duration;

use super::{
    Injected,
    machine::{Machine, why},
};
use crate::provider::{ProviderError, Result};

const ARM: &str = include_str!("scripts/arm.sh");
/// The exit code of what was refused before anything was done.
const BUSY: i32 = 75;
/// How long after its time a fault is undone by the timer: whoever began it comes first.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Arms it. `Refused`: there is no timer.
pub(super) async fn arm(machine: &Machine, injected: &Injected) -> Result<()> {
    let json =
        serde_json::to_string(injected).map_err(|e| ProviderError::Refused(format!("not to be written: {e}")))?;
    let seconds = format!("{:.3}", (injected.lasts + GRACE).as_secs_f64());
    let input = format!("{json}\n{}", program(&injected.undo));
    let output = machine.script(injected.sudo, ARM, &[injected.id.as_str(), &seconds], input.as_bytes()).await?;
    match output.code {
        Some(0) if waits(&output.stdout) => Ok(()),
        Some(0) => Err(ProviderError::Unexpected(format!("{} is not armed: {}", injected.timer, output.stdout.trim()))),
        Some(BUSY) => Err(ProviderError::Refused(format!("{}: {}", machine.host, why(&output)))),
        _ => Err(ProviderError::Refused(format!("{} cannot be armed: {}", injected.timer, why(&output)))),
    }
}

/// Whether the timer waits, by what systemd shows of it.
fn waits(shown: &str) -> bool {
    let has = |line: &str| shown.lines().any(|l| l == line);
    let next = shown.lines().find_map(|l| l.strip_prefix("NextElapseUSecMonotonic="));
    has("ActiveState=active") && next.is_some_and(|at| !at.is_empty() && at != "infinity" && at != "0")
}

/// A file for a shell that runs exactly these words.
pub(super) fn program(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    format!("exec {}\n", quoted.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_timer_that_will_go_off_is_one() {
        assert!(waits("ActiveState=active\nNextElapseUSecMonotonic=1h 2min 3.5s\n"));
        for not in ["", "ActiveState=active\n", "ActiveState=active\nNextElapseUSecMonotonic=infinity\n"] {
            assert!(!waits(not), "{not:?}");
        }
        assert!(!waits("ActiveState=inactive\nNextElapseUSecMonotonic=3s\n"));
    }

    #[test]
    fn a_shell_runs_exactly_the_words() {
        let odd = ["printf", "[%s]", "", "a b", "it's", "$HOME `id` \\ \"x\"", "line\nbreak\n", "'"];
        let file = program(&odd.map(str::to_owned));
        let said = std::process::Command::new("sh").args(["-c", &file]).output().expect("a shell");
        let wanted: String = odd[2..].iter().map(|word| format!("[{word}]")).collect();
        assert_eq!(String::from_utf8_lossy(&said.stdout), wanted);
    }
}
