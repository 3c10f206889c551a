//! Programs on a node, and on this machine.
//!
//! On a node a program runs as a transient unit, so that it outlives the connection and the coordinator: whoever goes on with
//! the play finds the unit, waits for it, and reads how it ended. Only where neither the unit nor its output is there, and the
//! node has not been booted since, was it never started.

use std::time::Duration;

use super::{Book, Machines, Stepped, Trouble, machines, reboot};
use crate::{
    model::NodeName,
    playbook::{Intent, PlayEvent, Spot, SpotState},
    provider::access::Output,
};

/// Time between two looks at a unit.
const PACE: Duration = Duration::from_millis(200);
/// How long a node may not answer while a program runs: it may have restarted sshd, or the network.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes of output in an error.
const SHOWN: usize = 600;

/// What runs on a node.
pub(super) struct Job<'j> {
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// Its time.
    pub(super) timeout: Duration,
    /// The exit codes that are good.
    pub(super) expect: &'j [i32],
    /// Bytes of its output that are kept.
    pub(super) keep: usize,
}

/// Runs it, or goes on waiting for it.
pub(super) async fn on_node(
    machines: &Machines,
    book: &Book,
    spot: &Spot,
    node: &NodeName,
    job: &Job<'_>,
    before: Option<&SpotState>,
) -> Stepped {
    let unit = unit_name(book, spot);
    let log = format!("/run/{unit}.log");
    match before.and_then(|before| before.intent.as_ref()) {
        Some(Intent::Command { boot, .. }) => match look(machines, node, &unit).await? {
            Look::Gone if !exists(machines, node, &log).await? => {
                if reboot::boot_id(machines, node).await? != *boot {
                    let why =
                        format!("{node} was booted anew while the program may have run; how it ended is not known");
                    return Err(Trouble::Failed(why));
                }
                start(machines, node, &unit, &log, job).await?;
            }
            _ => {}
        },
        _ => {
            // What a former attempt left there is no answer.
            clear(machines, node, &unit, &log).await?;
            let boot = reboot::boot_id(machines, node).await?;
            let intent = Intent::Command { unit: unit.clone(), boot };
            book.write(PlayEvent::Intended { spot: spot.clone(), intent }).await?;
            start(machines, node, &unit, &log, job).await?;
        }
    }
    let (code, how) = wait(machines, node, &unit, job.timeout).await?;
    let output = output(machines, node, &log, job.keep).await?;
    book.write(PlayEvent::Said { spot: spot.clone(), code, output: output.clone() }).await?;
    clear(machines, node, &unit, &log).await?;
    judge(code, &how, job.expect, &output)
}

/// Runs a program of this machine. One that a coordinator which died had started is run again.
pub(super) async fn here(
    machines: &Machines,
    command: &[String],
    timeout: Duration,
    expect: &[i32],
    keep: usize,
) -> Stepped {
    let argv: Vec<&str> = command.iter().map(String::as_str).collect();
    let output = machines.here.run("", &argv, timeout).await.map_err(|e| Trouble::failed(e.to_string()))?;
    let said = said(&output, keep);
    judge(output.code, &machines::code(output.code), expect, &said)
}

/// Both outputs, the end of them.
pub(super) fn said(output: &Output, keep: usize) -> String {
    let both = format!("{}{}", output.stdout, output.stderr);
    machines::tail(&both, keep).to_owned()
}

fn judge(code: Option<i32>, how: &str, expect: &[i32], output: &str) -> Stepped {
    let last = machines::tail(output, SHOWN);
    match code {
        Some(code) if expect.contains(&code) => {
            let line = last.lines().last().unwrap_or_default().trim();
            Ok((!line.is_empty()).then(|| line.to_owned()))
        }
        _ => Err(Trouble::Failed(if last.is_empty() { how.to_owned() } else { format!("{how}: {last}") })),
    }
}

fn unit_name(book: &Book, spot: &Spot) -> String {
    let part = serde_json::to_value(spot.part).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    format!("tidegate-{}-{part}-{}-{}", book.play, spot.wave, spot.step)
}

async fn start(machines: &Machines, node: &NodeName, unit: &str, log: &str, job: &Job<'_>) -> Result<(), Trouble> {
    let name = format!("--unit={unit}");
    let limit = format!("--property=RuntimeMaxSec={}ms", job.timeout.as_millis());
    let (out, err) =
        (format!("--property=StandardOutput=append:{log}"), format!("--property=StandardError=append:{log}"));
    let mut argv =
        vec!["systemd-run", "--quiet", name.as_str(), "--property=RemainAfterExit=yes", "--property=Type=exec"];
    argv.extend([limit.as_str(), out.as_str(), err.as_str(), "--"]);
    // The manager would put its own variables in.
    let words: Vec<String> = job.command.iter().map(|word| word.replace('$', "$$")).collect();
    argv.extend(words.iter().map(String::as_str));
    machines.told(node, &argv).await.map(drop)
}

/// What a unit is at.
enum Look {
    Running,
    Gone,
    Over { code: Option<i32>, how: String },
}

async fn look(machines: &Machines, node: &NodeName, unit: &str) -> Result<Look, Trouble> {
    let wanted = "--property=LoadState,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus";
    let said = machines.told(node, &["systemctl", "show", wanted, "--", &format!("{unit}.service")]).await?;
    Ok(read(&said))
}

/// Reads what `systemctl show` says.
fn read(said: &str) -> Look {
    let value = |key: &str| said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default();
    if value("LoadState") == "not-found" {
        return Look::Gone;
    }
    let exited = (value("ActiveState"), value("SubState")) == ("active", "exited");
    if !exited && !["failed", "inactive"].contains(&value("ActiveState")) {
        return Look::Running;
    }
    // CLD_EXITED: anything else is a signal.
    let code = (value("ExecMainCode") == "1").then(|| value("ExecMainStatus").parse().ok()).flatten();
    let how = match (value("Result"), code) {
        ("timeout", _) => "its time was over".to_owned(),
        (_, Some(code)) => format!("exit code {code}"),
        (result, None) => format!("it ended with: {result}"),
    };
    let code = code.filter(|_| value("Result") != "timeout");
    Look::Over { code, how }
}

/// Waits for the unit's end. A node that does not answer for a while may come back.
async fn wait(
    machines: &Machines,
    node: &NodeName,
    unit: &str,
    timeout: Duration,
) -> Result<(Option<i32>, String), Trouble> {
    let began = tokio::time::Instant::now();
    let mut heard = began;
    loop {
        match look(machines, node, unit).await {
            Ok(Look::Over { code, how }) => return Ok((code, how)),
            Ok(Look::Gone) => {
                return Err(Trouble::failed(format!("{node}: {unit} is gone; how it ended is not known")));
            }
            Ok(Look::Running) => heard = tokio::time::Instant::now(),
            Err(Trouble::Failed(why)) if heard.elapsed() > SILENCE => return Err(Trouble::Failed(why)),
            Err(Trouble::Failed(_)) => {}
            Err(other) => return Err(other),
        }
        // systemd ends it at its time; this is for a node that says nothing else than "running".
        if began.elapsed() > timeout + SILENCE {
            return Err(Trouble::failed(format!("{node}: {unit} runs on after its time")));
        }
        tokio::time::sleep(PACE).await;
    }
}

async fn output(machines: &Machines, node: &NodeName, log: &str, keep: usize) -> Result<String, Trouble> {
    let bytes = format!("--bytes={keep}");
    Ok(machines.told(node, &["tail", bytes.as_str(), "--", log]).await?.trim_end().to_owned())
}

async fn exists(machines: &Machines, node: &NodeName, path: &str) -> Result<bool, Trouble> {
    Ok(machines.ask(node, &["test", "-e", path]).await?.code == Some(0))
}

/// Takes away what is left of a unit. It ran to its end, or is not ours to wait for.
async fn clear(machines: &Machines, node: &NodeName, unit: &str, log: &str) -> Result<(), Trouble> {
    let service = format!("{unit}.service");
    // Neither is there at most times.
    machines.ask(node, &["systemctl", "stop", "--", &service]).await?;
    machines.ask(node, &["systemctl", "reset-failed", "--", &service]).await?;
    machines.told(node, &["rm", "-f", "--", log]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how(said: &str) -> (Option<i32>, String) {
        match read(said) {
            Look::Running => (None, "running".into()),
            Look::Gone => (None, "gone".into()),
            Look::Over { code, how } => (code, how),
        }
    }

    #[test]
    fn a_units_end_is_read() {
        let show = |active: &str, sub: &str, result: &str, code: &str, status: &str| {
            format!(
                "LoadState=loaded\nActiveState={active}\nSubState={sub}\nResult={result}\nExecMainCode={code}\nExecMainStatus={status}\n"
            )
        };
        assert_eq!(how(&show("active", "running", "success", "0", "0")).1, "running");
        assert_eq!(how(&show("activating", "start", "success", "0", "0")).1, "running");
        assert_eq!(how(&show("active", "exited", "success", "1", "0")), (Some(0), "exit code 0".into()));
        assert_eq!(how(&show("failed", "failed", "exit-code", "1", "3")), (Some(3), "exit code 3".into()));
        assert_eq!(how(&show("failed", "failed", "signal", "2", "9")), (None, "it ended with: signal".into()));
        assert_eq!(how(&show("failed", "failed", "timeout", "2", "15")), (None, "its time was over".into()));
        assert_eq!(how("LoadState=not-found\nActiveState=inactive\n").1, "gone");
    }

    #[test]
    fn an_expected_exit_code_is_good_whatever_it_is() {
        assert_eq!(judge(Some(100), "exit code 100", &[0, 100], "one\nlast line\n"), Ok(Some("last line".into())));
        assert_eq!(judge(Some(0), "exit code 0", &[0], ""), Ok(None));
        assert!(
            judge(Some(1), "exit code 1", &[0], "no space left")
                .is_err_and(|e| e == Trouble::Failed("exit code 1: no space left".into()))
        );
        assert!(judge(None, "its time was over", &[0], "").is_err());
    }
}
