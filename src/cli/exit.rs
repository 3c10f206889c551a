//! How a command ends: five exit codes that scripts may rely on, and errors that say what to do next.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::{
    journal::JournalError,
    model::NodeName,
    plan::{Purpose, gates::Gate, render},
    run::executor::RunError,
};

/// The exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// What was asked is done.
    Done = 0,
    /// It failed, or it was given up and undone.
    Failed = 1,
    /// The command or the configuration is wrong; nothing was touched.
    Usage = 2,
    /// A gate, or another executor, says no; nothing was touched.
    Refused = 3,
    /// A run waits for a person: held, paused or stuck.
    Held = 4,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

impl Code {
    /// The `result` of an error's JSON object.
    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Held => "held",
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// For a person; may be several lines.
    pub message: String,
    /// The node's state and the next command.
    pub next: Option<String>,
    /// More for machines.
    pub details: Map<String, Value>,
}

/// The result of a command.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure without any further advice.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), next: None, details: Map::new() }
    }

    /// The command line or the configuration is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Adds what a person can do next.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Adds something for machines.
    pub fn detail(mut self, key: &str, value: Value) -> Self {
        self.details.insert(key.to_owned(), value);
        self
    }

    /// Gates that do not pass.
    pub fn refused(purpose: Purpose, node: &NodeName, gates: &[Gate]) -> Self {
        Self::new(Code::Refused, render::refusals(purpose, node, gates))
            .next("Nothing was changed.")
            .detail("purpose", json!(purpose))
            .detail("node", json!(node))
            .detail("refusals", json!(gates))
    }

    /// What a person reads.
    pub fn text(&self) -> String {
        match &self.next {
            Some(next) => format!("{}\n{next}", self.message.trim_end()),
            None => self.message.trim_end().to_owned(),
        }
    }

    /// What a machine reads: `{"result", "error", "next", …}`.
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("result".into(), json!(self.code.word()));
        object.insert("error".into(), json!(self.message.trim_end()));
        object.insert("next".into(), json!(self.next));
        object.extend(self.details.clone());
        Value::Object(object)
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let message = error.to_string();
        match error {
            JournalError::Held { holder, .. } => Self::new(Code::Refused, message)
                .next("One executor moves the cluster at a time: wait for it, or `tidegate abort` its run.")
                .detail("holder", json!(holder)),
            JournalError::RunOpen(run) => Self::new(Code::Refused, message)
                .next(format!("`tidegate show {run}`, then `tidegate resume {run}` or `tidegate abort {run}`."))
                .detail("open_run", json!(run)),
            JournalError::PlayOpen(play) => Self::new(Code::Refused, message)
                .next(format!(
                    "`tidegate playbook status {play}` shows it; `tidegate playbook resume {play}` goes on with it, `tidegate \
                     playbook abort {play}` gives it up."
                ))
                .detail("open_play", json!(play)),
            JournalError::NoSuchPlay(_) => Self::usage(message)
                .next("`tidegate playbook status` lists the plays and drills, `tidegate history` the runs."),
            JournalError::PlayRefused { .. } => Self::new(Code::Refused, message),
            JournalError::NoSuchRun(_) => Self::usage(message)
                .next("`tidegate history` lists the runs, `tidegate playbook status` the plays and drills."),
            JournalError::Refused { .. } => Self::new(Code::Refused, message),
            JournalError::Fenced { .. } | JournalError::Storage { .. } => Self::new(Code::Failed, message),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Unavailable(error) => error.into(),
            other @ (RunError::Journal { .. } | RunError::Misfit(_)) => Self::new(Code::Failed, other.to_string()),
        }
    }
}
