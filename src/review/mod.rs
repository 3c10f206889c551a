//! The review: is what clients come by arranged so that a node can be drained, and lost, without anybody noticing?
//!
//! A checklist that a careful operator goes through, as rules with stable codes. A rule looks at [`Facts`] and says what
//! it finds; it never acts and never asks. Those that the configuration answers need nothing else; the others are given
//! what was read from the real systems, and where that could not be had they say so: not known is a finding too, since
//! nobody has looked then.
//!
//! What is meant to be so is accepted in the configuration, by code and by what it is about, with a reason. An
//! acceptance that matches nothing any more is itself a finding, so that none outlives its cause.

mod accept;
mod checks;
mod drills;
mod entrypoints;
mod facts;
mod identity;
mod longlived;
mod names;
mod objective;
mod page;
mod rule;
mod sessions;
mod single;
mod tls;
mod ttl;
mod units;

pub use facts::{Answer, Facts, Found, Known, Machine, Resolvers, Unit};
pub use page::page;
pub use rule::{Finding, Needs, Rule, Severity};

use rule::Verdict;

/// Everything that the review has to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Review {
    /// What was found, problems first.
    pub findings: Vec<Finding>,
    /// What was found and is accepted, with the reason.
    pub accepted: Vec<(Finding, String)>,
    /// Rules that need the real systems, where those were not asked.
    pub not_asked: Vec<&'static str>,
}

/// Every rule, in the order of the checklist.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let subjects: [&'static [Rule]; 11] = [
        &entrypoints::RULES,
        &single::RULES,
        &names::RULES,
        &tls::RULES,
        &identity::RULES,
        &checks::RULES,
        &objective::RULES,
        &sessions::RULES,
        &ttl::RULES,
        &longlived::RULES,
        &units::RULES,
    ];
    subjects.into_iter().flatten().chain(&drills::RULES).chain(&accept::RULES)
}

/// Goes through the whole checklist.
pub fn review(facts: &Facts<'_>) -> Review {
    let mut review = Review::default();
    for rule in rules() {
        if rule.needs == Needs::Systems && facts.found.is_none() {
            review.not_asked.push(rule.code);
            continue;
        }
        let mut verdict = Verdict::new(rule);
        (rule.look)(facts, &mut verdict);
        review.findings.extend(verdict.findings);
    }
    accept::apply(facts, &mut review);
    review.findings.sort_by_key(|f| f.severity);
    review
}
