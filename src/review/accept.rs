//! What is meant to be so.

use super::{
    Facts, Review,
    rule::{Finding, Needs, Rule, Severity, Verdict},
    rules,
};

pub(super) static RULES: [Rule; 1] = [Rule {
    code: "acceptance-idle",
    title: "Every acceptance still has its finding",
    why: "An acceptance that outlives its cause hides the next fault of the same kind.",
    mend: "Take it out of `[[review.accept]]`, or correct its `code` and `about`.",
    severity: Severity::Warn,
    needs: Needs::Configuration,
    look: unknown_codes,
}];

fn unknown_codes(facts: &Facts<'_>, verdict: &mut Verdict) {
    for one in &facts.settings.review.accept {
        if !rules().any(|rule| rule.code == one.code) {
            verdict.found(format!("{} of {}", one.code, one.about), "there is no rule of that code");
        }
    }
}

/// Takes what is accepted out of the findings, and finds acceptances that match nothing. Offline only those of rules
/// that were asked.
pub(super) fn apply(facts: &Facts<'_>, review: &mut Review) {
    let accepted = &facts.settings.review.accept;
    let matches = |f: &Finding| accepted.iter().find(|a| a.code == f.code && a.about == f.about);
    let (taken, left): (Vec<_>, Vec<_>) =
        std::mem::take(&mut review.findings).into_iter().partition(|f| matches(f).is_some());
    review.findings = left;
    let mut verdict = Verdict::new(&RULES[0]);
    for one in accepted {
        let asked = rules().any(|r| r.code == one.code) && !review.not_asked.contains(&one.code.as_str());
        if asked && !taken.iter().any(|f| f.code == one.code && f.about == one.about) {
            verdict.found(format!("{} of {}", one.code, one.about), "nothing of the sort is found any more");
        }
    }
    review.findings.extend(verdict.findings);
    let reason = |f: &Finding| matches(f).map(|a| a.reason.clone()).unwrap_or_default();
    review.accepted = taken.into_iter().map(|f| (f.clone(), reason(&f))).collect();
}
