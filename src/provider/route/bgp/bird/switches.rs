//! The protocols of an announcer as switches: what is on, whose hand it was, and the commands that lead elsewhere. Pure.

use serde::{Deserialize, Serialize};

use crate::provider::{
    ProviderError, Result,
    route::bgp::stage::{Move, Stage},
};

/// What `disable` leaves in the protocol, for everybody to see, and for restore to know its own work by.
pub(super) const WITHDRAWN: &str = "tidegate: withdrawn";

/// All that is switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Switches {
    /// The protocol that originates the prefix.
    pub(super) protocol: String,
    /// Whether it is on.
    pub(super) enabled: bool,
    /// Where it is off: the words of who disabled it. They go when it is enabled.
    pub(super) message: Option<String>,
    /// The protocol that originates it with the community 65535:0, where there is one: whether it is on.
    pub(super) graceful: Option<Graceful>,
}

/// The protocol that marks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Graceful {
    pub(super) protocol: String,
    pub(super) enabled: bool,
}

impl Switches {
    pub(super) fn stage(&self) -> Stage {
        match (self.enabled, self.marking()) {
            (true, _) => Stage::Announced,
            (false, true) => Stage::Marked,
            (false, false) => Stage::Withdrawn,
        }
    }

    fn marking(&self) -> bool {
        self.graceful.as_ref().is_some_and(|g| g.enabled)
    }

    /// The commands of a move. What is to be on is enabled before anything is disabled, so that no peer sees a gap.
    pub(super) fn commands(&self, to: &Move<'_, Self>) -> Result<Vec<String>> {
        match to {
            Move::Stay => Ok(Vec::new()),
            Move::Mark => match &self.graceful {
                Some(_) => Ok(self.to(false, true)),
                None => Err(ProviderError::Refused("there is no protocol that marks the prefix".into())),
            },
            Move::Withdraw => Ok(self.to(false, false)),
            Move::Announce if !self.enabled && !self.is_ours() => Err(self.by_another_hand(None)),
            Move::Announce => Ok(self.to(true, false)),
            Move::PutBack(receipt) => self.put_back(receipt),
        }
    }

    fn put_back(&self, receipt: &Self) -> Result<Vec<String>> {
        let name = &self.protocol;
        let names = |s: &Self| (s.protocol.clone(), s.graceful.as_ref().map(|g| g.protocol.clone()));
        if names(self) != names(receipt) {
            return Err(ProviderError::Refused(format!("the receipt is of other protocols than {name}")));
        }
        let same = (self.enabled, &self.message) == (receipt.enabled, &receipt.message);
        if same || (receipt.enabled && self.is_ours()) {
            Ok(self.to(receipt.enabled, receipt.marking()))
        } else {
            Err(self.by_another_hand(Some(receipt)))
        }
    }

    /// Disabled by Tidegate.
    pub(super) fn is_ours(&self) -> bool {
        !self.enabled && self.message.as_deref() == Some(WITHDRAWN)
    }

    fn words(&self) -> String {
        match (&self.message, self.enabled) {
            (_, true) => "enabled".into(),
            (Some(message), false) => format!("disabled (\"{message}\")"),
            (None, false) => "disabled, without a word".into(),
        }
    }

    fn by_another_hand(&self, before: Option<&Self>) -> ProviderError {
        let (name, now) = (&self.protocol, self.words());
        let before = before.map_or_else(String::new, |b| format!("; before the drain it was {}", b.words()));
        ProviderError::Refused(format!("{name} is {now}, which Tidegate did not do{before}; put it right by hand"))
    }

    fn to(&self, enabled: bool, marking: bool) -> Vec<String> {
        let mut commands = Vec::new();
        let graceful = self.graceful.as_ref().filter(|g| g.enabled != marking);
        if let Some(graceful) = graceful.filter(|_| marking) {
            commands.push(format!("enable '{}'", graceful.protocol));
        }
        if self.enabled != enabled {
            let name = &self.protocol;
            commands.push(if enabled {
                format!("enable '{name}'")
            } else {
                format!("disable '{name}' \"{WITHDRAWN}\"")
            });
        }
        if let Some(graceful) = graceful.filter(|_| !marking) {
            commands.push(format!("disable '{}'", graceful.protocol));
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switches(enabled: bool, message: Option<&str>, graceful: Option<bool>) -> Switches {
        Switches {
            protocol: "anycast".into(),
            enabled,
            message: message.map(str::to_owned),
            graceful: graceful.map(|enabled| Graceful { protocol: "gshut".into(), enabled }),
        }
    }

    fn said(now: &Switches, to: &Move<'_, Switches>) -> Vec<String> {
        now.commands(to).expect("commands")
    }

    const OFF: &str = "disable 'anycast' \"tidegate: withdrawn\"";

    #[test]
    fn a_prefix_is_withdrawn_and_announced_by_its_protocol() {
        let on = switches(true, None, None);
        assert_eq!(said(&on, &Move::Withdraw), [OFF]);
        let off = switches(false, Some(WITHDRAWN), None);
        assert_eq!(said(&off, &Move::Announce), ["enable 'anycast'"]);
        assert_eq!(said(&off, &Move::PutBack(&on)), ["enable 'anycast'"]);
        assert!(said(&on, &Move::PutBack(&on)).is_empty());
        assert!(matches!(on.commands(&Move::Mark), Err(ProviderError::Refused(_))));
    }

    #[test]
    fn what_comes_is_on_before_what_goes_is_off() {
        let on = switches(true, None, Some(false));
        assert_eq!(said(&on, &Move::Mark), ["enable 'gshut'", OFF]);
        let marked = switches(false, Some(WITHDRAWN), Some(true));
        assert_eq!((marked.stage(), on.stage()), (Stage::Marked, Stage::Announced));
        assert_eq!(said(&marked, &Move::Withdraw), ["disable 'gshut'"]);
        assert_eq!(said(&marked, &Move::Announce), ["enable 'anycast'", "disable 'gshut'"]);
        assert_eq!(said(&marked, &Move::PutBack(&on)), ["enable 'anycast'", "disable 'gshut'"]);
    }

    #[test]
    fn what_another_hand_did_is_not_undone() {
        let before = switches(true, None, None);
        for theirs in [switches(false, Some("fibre works"), None), switches(false, None, None)] {
            assert!(matches!(theirs.commands(&Move::PutBack(&before)), Err(ProviderError::Refused(_))), "{theirs:?}");
            // It was off before, and still is.
            assert!(said(&theirs, &Move::PutBack(&theirs.clone())).is_empty());
            assert!(matches!(before.commands(&Move::PutBack(&theirs)), Err(ProviderError::Refused(_))));
        }
    }

    #[test]
    fn a_receipt_of_other_protocols_is_refused() {
        let off = switches(false, Some(WITHDRAWN), None);
        let other = Switches { protocol: "other".into(), ..switches(true, None, None) };
        assert!(matches!(off.commands(&Move::PutBack(&other)), Err(ProviderError::Refused(_))));
        let graceful = switches(true, None, Some(false));
        assert!(matches!(off.commands(&Move::PutBack(&graceful)), Err(ProviderError::Refused(_))));
    }
}
