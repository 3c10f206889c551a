//! The evidence itself. Its JSON is a format of its own: fields are added, never changed or taken away, within one
//! [`FORMAT`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FaultSeen, Phase, Series, Signature, Traffic};
use crate::model::NodeName;

/// The version of the JSON format.
pub const FORMAT: u32 = 1;

/// Lines that any list of texts in the evidence keeps.
pub const MAX_LINES: usize = 200;

/// Everything that is known of one run, play or drill once it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// [`FORMAT`].
    pub format: u32,
    /// What was done.
    pub kind: Kind,
    /// The run or the play, as its journal names it.
    pub id: String,
    /// Its name, as people say it: the playbook's, or `drain node-2`.
    pub name: String,
    /// What was believed, in a sentence.
    pub hypothesis: Option<String>,
    /// What came out.
    pub verdict: Verdict,
    /// What had to come out, each beside what was measured.
    pub objectives: Vec<Objective>,
    /// Who asked for it.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// The nodes that it was about, in order.
    pub nodes: Vec<NodeName>,
    /// When it began.
    pub started: Timestamp,
    /// When it was over; `None` where it is not.
    pub ended: Option<Timestamp>,
    /// What was done when, and how soon it was acknowledged.
    pub phases: Vec<Phase>,
    /// What was broken, for unplanned drills.
    pub fault: Option<FaultSeen>,
    /// Requests and their failures; `None` where nobody counted.
    pub traffic: Option<Traffic>,
    /// What else was measured over time.
    #[serde(default)]
    pub series: Series,
    /// Connections that did not leave in time.
    #[serde(default)]
    pub residual: Vec<Residual>,
    /// What the cluster did otherwise than it had rehearsed, a line each; `None` where nothing was rehearsed.
    pub differences: Option<Vec<String>>,
    /// What else happened meanwhile.
    #[serde(default)]
    pub remarks: Vec<Remark>,
    /// The configuration that it was played with; `None` where that was not written down.
    pub configuration: Option<Configuration>,
    /// The versions of what took part.
    pub versions: Versions,
    /// What ties this to the journal, and to itself.
    #[serde(default)]
    pub signature: Signature,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A node was taken out.
    Drain,
    /// A node was brought back.
    Restore,
    /// A restore was given up, and the node's routes taken out again.
    Withhold,
    /// An instance came to stand in for one that was to leave.
    StandIn,
    /// An instance that stood in went again.
    Retire,
    /// A playbook that breaks nothing and believes nothing.
    Playbook,
    /// A drill by drain and restore.
    PlannedDrill,
    /// A drill by a real fault.
    UnplannedDrill,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// In one word.
    pub outcome: Outcome,
    /// Why, where the word alone does not say it.
    pub why: Option<String>,
}

/// What came out, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything that had to come out did, and was measured.
    Kept,
    /// Something did not.
    Missed,
    /// It was ended early.
    Aborted,
    /// It is not over, or something was not measured.
    NotKnown,
}

/// One limit and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// What is limited.
    pub name: String,
    /// Whether the limit is the most or the least.
    pub relation: Relation,
    /// The limit.
    pub limit: f64,
    /// What was measured; `None` where nothing was.
    pub measured: Option<f64>,
    /// Of both; empty where it is a bare number.
    pub unit: String,
    /// Whether it was met; `None` where that is not known.
    pub met: Option<bool>,
    /// Why that is not known, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Which way a limit goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// More misses it.
    AtMost,
    /// Less misses it.
    AtLeast,
}

/// Connections that did not leave in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residual {
    /// When that was written down.
    pub at: Timestamp,
    /// On which node.
    pub node: NodeName,
    /// What they were connected to.
    pub listener: String,
    /// How many were left.
    pub remaining: u64,
    /// Whether the wait for them ended at its deadline.
    pub deadline: bool,
    /// What was done about them, or what was known of their end.
    pub what: String,
    /// The oldest, a line each, at most [`MAX_LINES`].
    pub oldest: Vec<String>,
}

/// Something that happened meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// When.
    pub at: Option<Timestamp>,
    /// Of which kind.
    pub kind: RemarkKind,
    /// What.
    pub text: String,
}

/// Of which kind a remark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemarkKind {
    /// It waited for a person.
    Held,
    /// It was given up.
    Aborted,
    /// Something was refused, lost or had to be done again.
    Trouble,
    /// The guard did it by itself.
    Guard,
    /// Anything else.
    Note,
}

/// A configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Where it was read.
    pub path: String,
    /// SHA-256 (hex) of what was read.
    pub digest: String,
}

/// The versions of what took part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The Tidegate that played it; `None` where that was not written down.
    pub tidegate: Option<String>,
    /// The Tidegate that wrote the report.
    pub reported_by: String,
    /// Pacemaker.
    pub pacemaker: Option<String>,
    /// SHA-256 (hex) of the playbook with everything that it includes, and of its inputs.
    pub playbook: Option<String>,
    /// The fingerprint of the plan: what it was based on.
    pub plan: Option<String>,
}

impl Evidence {
    /// Evidence of which only this much is known yet: its verdict is "not known".
    pub fn new(kind: Kind, id: impl Into<String>, name: impl Into<String>, started: Timestamp) -> Self {
        Self {
            format: FORMAT,
            kind,
            id: id.into(),
            name: name.into(),
            hypothesis: None,
            verdict: Verdict { outcome: Outcome::NotKnown, why: Some("it is not over".into()) },
            objectives: Vec::new(),
            operator: String::new(),
            reason: String::new(),
            nodes: Vec::new(),
            started,
            ended: None,
            phases: Vec::new(),
            fault: None,
            traffic: None,
            series: Series::default(),
            residual: Vec::new(),
            differences: None,
            remarks: Vec::new(),
            configuration: None,
            versions: Versions { reported_by: env!("CARGO_PKG_VERSION").into(), ..Versions::default() },
            signature: Signature::default(),
        }
    }

    /// Takes over what a run of this play says: its phases, what it left, what it differed in, what happened, its chain.
    pub fn absorb(&mut self, run: Self) {
        let id = run.id.as_str();
        self.phases
            .extend(run.phases.into_iter().map(|phase| Phase { run: phase.run.or_else(|| Some(id.into())), ..phase }));
        self.residual.extend(run.residual);
        self.differences = match (self.differences.take(), run.differences) {
            (Some(mut ours), Some(theirs)) => {
                ours.extend(theirs);
                Some(ours)
            }
            (ours, theirs) => ours.or(theirs),
        };
        self.remarks.extend(run.remarks);
        self.signature.chains.extend(run.signature.chains);
    }

    /// Seconds from its beginning to its end.
    pub fn took_s(&self) -> Option<f64> {
        self.ended.map(|ended| super::phases::between_s(self.started, ended))
    }
}

impl Kind {
    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Restore => "restore",
            Self::Withhold => "withhold",
            Self::StandIn => "stand-in",
            Self::Retire => "retire",
            Self::Playbook => "playbook",
            Self::PlannedDrill => "planned drill",
            Self::UnplannedDrill => "unplanned drill",
        }
    }
}

impl Outcome {
    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Missed => "missed",
            Self::Aborted => "aborted",
            Self::NotKnown => "not known",
        }
    }
}
