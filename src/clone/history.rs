//! What was done to clones and has not been taken back: a fold over the notes.
//!
//! Changes are written down before they are made, with what they lead away from. Where no outcome follows, they may have
//! been made; taking them back looks first, and does nothing where they were not.

use jiff::Timestamp;
use serde::Serialize;

use super::change::Change;
use crate::journal::{Note, Noted};

/// Changes that were made at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Applied {
    /// The note that announced them.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// Each with what it leads away from.
    pub changes: Vec<Change>,
    /// Whether they were read back; else they may or may not be there.
    pub proven: bool,
}

impl Applied {
    /// What takes them back: the last one first.
    pub fn undo(&self) -> Vec<Change> {
        self.changes.iter().rev().map(Change::inverse).collect()
    }
}

/// What can be undone, the oldest first. `notes` in their order.
pub fn standing(notes: &[Noted]) -> Vec<Applied> {
    let mut standing: Vec<Applied> = Vec::new();
    // What the next outcome is about: changes of their own, or the undo of others.
    let mut pending: Option<Option<u64>> = None;
    for noted in notes {
        match &noted.note {
            Note::CloneChanging { operator, reason, changes, undoes } => {
                pending = Some(*undoes);
                if undoes.is_none() {
                    standing.push(Applied {
                        seq: noted.seq,
                        at: noted.at,
                        operator: operator.clone(),
                        reason: reason.clone(),
                        changes: changes.clone(),
                        proven: false,
                    });
                }
            }
            Note::CloneChanged => match pending.take() {
                Some(Some(undone)) => standing.retain(|applied| applied.seq != undone),
                Some(None) => {
                    if let Some(last) = standing.last_mut() {
                        last.proven = true;
                    }
                }
                None => {}
            },
            Note::CloneUnchanged { .. } => {
                // A refused undo leaves standing what it was about.
                let refused = usize::from(pending.take() == Some(None));
                standing.truncate(standing.len().saturating_sub(refused));
            }
            _ => {}
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changing(undoes: Option<u64>) -> Note {
        Note::CloneChanging { operator: "me".into(), reason: "why".into(), changes: Vec::new(), undoes }
    }

    fn fold(notes: Vec<Note>) -> Vec<(u64, bool)> {
        let numbered = (1..).zip(notes).map(|(seq, note)| Noted { seq, at: Timestamp::UNIX_EPOCH, note });
        standing(&numbered.collect::<Vec<_>>()).into_iter().map(|a| (a.seq, a.proven)).collect()
    }

    #[test]
    fn what_was_announced_may_have_happened() {
        let refused = || Note::CloneUnchanged { error: "no".into() };
        assert_eq!(fold(vec![changing(None)]), [(1, false)]);
        assert_eq!(fold(vec![changing(None), Note::CloneChanged]), [(1, true)]);
        assert_eq!(fold(vec![changing(None), refused()]), []);
        assert_eq!(fold(vec![changing(None), changing(None), refused()]), [(1, false)]);
    }

    #[test]
    fn an_undo_counts_once_it_is_read_back() {
        let done = || Note::CloneChanged;
        assert_eq!(fold(vec![changing(None), done(), changing(Some(1))]), [(1, true)]);
        assert_eq!(fold(vec![changing(None), done(), changing(Some(1)), done()]), []);
        let refused = Note::CloneUnchanged { error: "changed since".into() };
        assert_eq!(fold(vec![changing(None), done(), changing(Some(1)), refused]), [(1, true)]);
        let two = vec![changing(None), done(), changing(None), done(), changing(Some(3)), done()];
        assert_eq!(fold(two), [(1, true)]);
    }
}
