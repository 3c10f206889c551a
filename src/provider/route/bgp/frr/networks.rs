//! The network statement of a prefix, and the commands that change it. Pure.

use serde::{Deserialize, Serialize};

use crate::provider::{
    ProviderError, Result,
    route::bgp::{
        prefix::Prefix,
        stage::{Move, Stage},
    },
};

/// What is switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Network {
    /// `router bgp 65001`
    pub(super) router: String,
    /// `network 192.0.2.80/32 route-map ANYCAST`, where the prefix is announced.
    pub(super) statement: Option<String>,
}

/// What a network statement is written by.
#[derive(Clone, Debug)]
pub(super) struct Writing {
    pub(super) prefix: Prefix,
    /// The route-map that adds 65535:0, where there is one.
    pub(super) graceful: Option<String>,
}

impl Writing {
    pub(super) fn stage(&self, now: &Network) -> Stage {
        match &now.statement {
            None => Stage::Withdrawn,
            Some(statement) if self.is_marked(statement) => Stage::Marked,
            Some(_) => Stage::Announced,
        }
    }

    fn is_marked(&self, statement: &str) -> bool {
        self.graceful.is_some() && route_map(statement) == self.graceful.as_deref()
    }

    pub(super) fn commands(&self, now: &Network, to: &Move<'_, Network>) -> Result<Vec<String>> {
        let refused = |why: String| Err(ProviderError::Refused(why));
        match (to, &now.statement) {
            (Move::Stay, _) | (Move::Withdraw, None) => Ok(Vec::new()),
            (Move::Withdraw, Some(_)) => Ok(vec![format!("no network {}", self.prefix)]),
            (Move::Mark, Some(statement)) => match &self.graceful {
                Some(map) => Ok(vec![with_route_map(statement, map)]),
                None => refused("there is no route-map that marks the prefix".into()),
            },
            (Move::Mark, None) => refused(format!("there is no network statement for {}", self.prefix)),
            (Move::Announce, Some(statement)) if !self.is_marked(statement) => Ok(Vec::new()),
            // How it was announced is in the receipt, and nowhere else once the statement is gone.
            (Move::Announce, _) => refused(format!(
                "how {} was announced is not known here; only the drain's receipt says it",
                self.prefix
            )),
            (Move::PutBack(receipt), _) => self.put_back(now, receipt),
        }
    }

    fn put_back(&self, now: &Network, receipt: &Network) -> Result<Vec<String>> {
        let refused = |why: String| Err(ProviderError::Refused(why));
        if now.router != receipt.router {
            return refused(format!("bgpd says `{}`, the receipt `{}`", now.router, receipt.router));
        }
        let (is, was) = (now.statement.as_deref(), receipt.statement.as_deref());
        match (is, was) {
            _ if is == was => Ok(Vec::new()),
            (_, Some(was)) if !self.is_statement(was) => refused(format!("{was:?} announces something else")),
            (None, Some(was)) => Ok(vec![was.to_owned()]),
            (Some(is), Some(was)) if self.is_marked(is) => Ok(vec![was.to_owned()]),
            _ => {
                let words = |s: Option<&str>| s.map_or_else(|| "not announced".to_owned(), |s| format!("`{s}`"));
                refused(format!(
                    "{} is {} now, which Tidegate did not do; before the drain it was {}; put it right by hand",
                    self.prefix,
                    words(is),
                    words(was)
                ))
            }
        }
    }

    /// A receipt comes from a journal and goes to a command line: one statement, of this prefix.
    fn is_statement(&self, text: &str) -> bool {
        let rest = text.strip_prefix(&format!("network {}", self.prefix));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) && !text.chars().any(char::is_control)
    }
}

fn route_map(statement: &str) -> Option<&str> {
    let mut words = statement.split_whitespace().skip_while(|word| *word != "route-map");
    words.nth(1)
}

/// The same statement with another route-map; everything else in it stays.
fn with_route_map(statement: &str, map: &str) -> String {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let mut all: Vec<&str> = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if *word == "route-map" { _ = rest.next() } else { all.push(word) }
    }
    // FRR wants `backdoor` last.
    let at = all.iter().position(|word| *word == "backdoor").unwrap_or(all.len());
    all.splice(at..at, ["route-map", map]);
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "network 192.0.2.80/32";
    const MAPPED: &str = "network 192.0.2.80/32 route-map ANYCAST";
    const MARKED: &str = "network 192.0.2.80/32 route-map GSHUT";

    fn writing() -> Writing {
        Writing { prefix: "192.0.2.80/32".parse().expect("a prefix"), graceful: Some("GSHUT".into()) }
    }

    fn network(statement: Option<&str>) -> Network {
        Network { router: "router bgp 65001".into(), statement: statement.map(str::to_owned) }
    }

    fn said(now: Option<&str>, to: &Move<'_, Network>) -> Vec<String> {
        writing().commands(&network(now), to).expect("commands")
    }

    fn refused(now: Option<&str>, to: &Move<'_, Network>) -> String {
        match writing().commands(&network(now), to) {
            Err(ProviderError::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_prefix_is_withdrawn_and_put_back_as_it_was_written() {
        assert_eq!(said(Some(MAPPED), &Move::Withdraw), ["no network 192.0.2.80/32"]);
        assert!(said(None, &Move::Withdraw).is_empty());
        assert_eq!(said(None, &Move::PutBack(&network(Some(MAPPED)))), [MAPPED]);
        assert!(said(Some(MAPPED), &Move::PutBack(&network(Some(MAPPED)))).is_empty());
        assert!(said(None, &Move::PutBack(&network(None))).is_empty());
    }

    #[test]
    fn the_mark_takes_the_place_of_the_route_map() {
        assert_eq!(said(Some(PLAIN), &Move::Mark), [MARKED]);
        assert_eq!(said(Some(MAPPED), &Move::Mark), [MARKED]);
        let all = "network 192.0.2.80/32 label-index 7 route-map ANYCAST backdoor";
        assert_eq!(said(Some(all), &Move::Mark), ["network 192.0.2.80/32 label-index 7 route-map GSHUT backdoor"]);
        assert_eq!(writing().stage(&network(Some(MARKED))), Stage::Marked);
        assert_eq!(said(Some(MARKED), &Move::PutBack(&network(Some(PLAIN)))), [PLAIN]);
        assert_eq!(said(Some(MARKED), &Move::Withdraw), ["no network 192.0.2.80/32"]);
    }

    #[test]
    fn a_statement_is_never_guessed() {
        assert!(refused(None, &Move::Announce).contains("receipt"));
        assert!(refused(Some(MARKED), &Move::Announce).contains("receipt"));
        assert!(said(Some(MAPPED), &Move::Announce).is_empty());
    }

    #[test]
    fn what_another_hand_wrote_stays() {
        assert!(refused(Some(PLAIN), &Move::PutBack(&network(Some(MAPPED)))).contains("did not do"));
        assert!(refused(Some(PLAIN), &Move::PutBack(&network(None))).contains("did not do"));
        let other = Network { router: "router bgp 65099".into(), ..network(Some(PLAIN)) };
        assert!(refused(None, &Move::PutBack(&other)).contains("65099"));
    }

    #[test]
    fn a_receipt_is_one_statement_of_this_prefix() {
        for text in [
            "network 192.0.2.81/32",
            "network 192.0.2.80/32\nno router bgp",
            "no router bgp 65001",
            "network 192.0.2.80/321",
        ] {
            assert!(refused(None, &Move::PutBack(&network(Some(text)))).contains("something else"), "{text}");
        }
    }
}
