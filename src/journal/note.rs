//! What is written down outside every run: by the guard and the probes, what was taken out of a route on its own, what was
//! there before, and what was seen; by the clone manager, what it changes and what was there. What is still withdrawn, and
//! what can be undone, are folds over these notes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    clone::Change,
    model::{Exact, NodeName, RouteTarget, ServiceName},
};

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum Note {
    /// A member is about to be taken out of a route. From here on it *may have happened*.
    Withdrawing {
        /// The member.
        target: RouteTarget,
        /// The node that it is.
        node: NodeName,
        /// Its state before, to be put back exactly.
        before: Exact,
        /// Why.
        why: String,
    },
    /// It was read back: the member is out.
    Withdrawn {
        /// The member.
        target: RouteTarget,
    },
    /// It was refused, and nothing was changed.
    Refused {
        /// The member.
        target: RouteTarget,
        /// What the real system said.
        error: String,
    },
    /// The member is about to be put back as it was.
    Returning {
        /// The member.
        target: RouteTarget,
    },
    /// It was read back: the member is as it was before.
    Returned {
        /// The member.
        target: RouteTarget,
    },
    /// A load balancer with checks of its own was told that a member is down; its checks bring the member back.
    Advised {
        /// The member.
        target: RouteTarget,
        /// The node that it is.
        node: NodeName,
        /// Why.
        why: String,
    },
    /// What would have been done, in the mode that only observes.
    Would {
        /// The member.
        target: RouteTarget,
        /// The node that it is.
        node: NodeName,
        /// What would have been done to it, and why.
        why: String,
    },
    /// A member should have left and was kept, because too few others are known to serve.
    FailOpen {
        /// The member.
        target: RouteTarget,
        /// The node that it is.
        node: NodeName,
        /// What is missing.
        why: String,
    },
    /// A node was put into standby without having been drained.
    OutOfOrder {
        /// The node.
        node: NodeName,
    },
    /// The cluster cannot be seen well enough to act.
    Blind {
        /// Why.
        why: String,
    },
    /// It can be seen again.
    Sighted,
    /// A service's readiness on a node changed.
    Turned {
        /// The node.
        node: NodeName,
        /// The service.
        service: ServiceName,
        /// What it is now, in one word.
        to: String,
        /// Why, for a person.
        why: String,
    },
    /// Clones are about to be changed. From here on it *may have happened*.
    CloneChanging {
        /// Who asked.
        operator: String,
        /// Why.
        reason: String,
        /// Each with what it leads away from.
        changes: Vec<Change>,
        /// The note whose changes are taken back, where this is an undo.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<u64>,
    },
    /// It was read back: the last changes are there.
    CloneChanged,
    /// They were refused, and nothing was changed.
    CloneUnchanged {
        /// What the real system said.
        error: String,
    },
}

impl Note {
    /// The word by which the journal's file can be searched; the same as in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Withdrawing { .. } => "withdrawing",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Refused { .. } => "refused",
            Self::Returning { .. } => "returning",
            Self::Returned { .. } => "returned",
            Self::Advised { .. } => "advised",
            Self::Would { .. } => "would",
            Self::FailOpen { .. } => "fail-open",
            Self::OutOfOrder { .. } => "out-of-order",
            Self::Blind { .. } => "blind",
            Self::Sighted => "sighted",
            Self::Turned { .. } => "turned",
            Self::CloneChanging { .. } => "clone-changing",
            Self::CloneChanged => "clone-changed",
            Self::CloneUnchanged { .. } => "clone-unchanged",
        }
    }

    /// Whether it says something about what is withdrawn: such notes are kept for as long as they matter.
    pub fn is_of_withdrawal(&self) -> bool {
        self.target().is_some() && !matches!(self, Self::Advised { .. } | Self::Would { .. } | Self::FailOpen { .. })
    }

    /// Whether it says something about clones: such notes are kept, since an undo needs them.
    pub fn is_of_clones(&self) -> bool {
        matches!(self, Self::CloneChanging { .. } | Self::CloneChanged | Self::CloneUnchanged { .. })
    }

    /// Whether it is never forgotten.
    pub fn is_kept(&self) -> bool {
        self.is_of_withdrawal() || self.is_of_clones()
    }

    fn target(&self) -> Option<&RouteTarget> {
        match self {
            Self::Withdrawing { target, .. }
            | Self::Withdrawn { target }
            | Self::Refused { target, .. }
            | Self::Returning { target }
            | Self::Returned { target }
            | Self::Advised { target, .. }
            | Self::Would { target, .. }
            | Self::FailOpen { target, .. } => Some(target),
            Self::OutOfOrder { .. }
            | Self::Blind { .. }
            | Self::Sighted
            | Self::Turned { .. }
            | Self::CloneChanging { .. }
            | Self::CloneChanged
            | Self::CloneUnchanged { .. } => None,
        }
    }
}

/// A note with its place and time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// Rises with every note.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub note: Note,
}

/// One member that the guard took out and has not put back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The node that it is.
    pub node: NodeName,
    /// Its state before the first touch.
    pub before: Exact,
    /// Why it was taken out.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// When it was read back; until then it may or may not be out.
    pub acknowledged: Option<Timestamp>,
}

/// What is withdrawn, by member: a fold over notes in their order.
pub fn withdrawals<'a>(notes: impl IntoIterator<Item = &'a Noted>) -> BTreeMap<RouteTarget, Withdrawal> {
    let mut open: BTreeMap<RouteTarget, Withdrawal> = BTreeMap::new();
    for noted in notes {
        match &noted.note {
            Note::Withdrawing { target, node, before, why } => {
                // Only the first touch saw what was there before.
                open.entry(target.clone()).or_insert_with(|| Withdrawal {
                    node: node.clone(),
                    before: before.clone(),
                    why: why.clone(),
                    since: noted.at,
                    acknowledged: None,
                });
            }
            Note::Withdrawn { target } => {
                if let Some(withdrawal) = open.get_mut(target) {
                    withdrawal.acknowledged = Some(noted.at);
                }
            }
            Note::Refused { target, .. } if open.get(target).is_some_and(|was| was.acknowledged.is_none()) => {
                open.remove(target);
            }
            Note::Returned { target } => drop(open.remove(target)),
            _ => {}
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::topology::Role;

    fn target() -> RouteTarget {
        RouteTarget {
            route: "web/dns".into(),
            instance: "ns".into(),
            server: "10.0.0.1".into(),
            service: "app".into(),
            role: Role::Driven,
        }
    }

    fn withdrawing(before: u8) -> Note {
        let (node, why) = (NodeName::new("node-1"), "lost".to_owned());
        Note::Withdrawing { target: target(), node, before: Exact(json!(before)), why }
    }

    fn fold(notes: Vec<Note>) -> Vec<(Exact, bool)> {
        let numbered = (1..).zip(notes).map(|(seq, note)| Noted { seq, at: Timestamp::UNIX_EPOCH, note });
        let numbered: Vec<Noted> = numbered.collect();
        withdrawals(&numbered).into_values().map(|w| (w.before, w.acknowledged.is_some())).collect()
    }

    #[test]
    fn only_the_first_touch_saw_what_was_before() {
        let (gone, back) = (Note::Withdrawn { target: target() }, Note::Returned { target: target() });
        let first = Exact(json!(1));
        assert_eq!(fold(vec![withdrawing(1), withdrawing(2)]), [(first.clone(), false)]);
        assert_eq!(fold(vec![withdrawing(1), gone.clone(), withdrawing(2)]), [(first, true)]);
        assert_eq!(fold(vec![withdrawing(1), gone, back, withdrawing(2)]), [(Exact(json!(2)), false)]);
    }

    #[test]
    fn a_refusal_ends_only_what_was_never_read_back() {
        let refused = Note::Refused { target: target(), error: "no".to_owned() };
        let gone = Note::Withdrawn { target: target() };
        assert_eq!(fold(vec![withdrawing(1), refused.clone()]), []);
        assert_eq!(fold(vec![withdrawing(1), gone, refused]), [(Exact(json!(1)), true)]);
    }

    #[test]
    fn the_word_is_the_one_in_json() {
        for note in [withdrawing(1), Note::Sighted, Note::Returned { target: target() }] {
            assert_eq!(serde_json::to_value(&note).map(|v| v["note"].clone()).ok(), Some(json!(note.word())));
        }
    }
}
