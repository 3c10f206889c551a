//! Where all this comes from, and what ties it to the journal.

use super::super::{
    Evidence,
    section::{Cell, Section, Table},
    words::count,
};

/// Configuration and versions.
pub(super) fn origin(evidence: &Evidence) -> Section {
    let mut table = Table::new(["what", "which"]);
    let (versions, configuration) = (&evidence.versions, evidence.configuration.as_ref());
    let rows = [
        ("configuration", configuration.map(|c| c.path.clone())),
        ("SHA-256 of the configuration", configuration.map(|c| c.digest.clone())),
        ("Tidegate that played it", versions.tidegate.clone()),
        ("Tidegate that wrote this", Some(versions.reported_by.clone())),
        ("Pacemaker", versions.pacemaker.clone()),
        ("SHA-256 of the playbook and its inputs", versions.playbook.clone()),
        ("fingerprint of the plan", versions.plan.clone()),
    ];
    // A play has no plan of its own: its runs have.
    let plan = |what: &str| versions.playbook.is_none() || what != "fingerprint of the plan";
    for (what, which) in rows.into_iter().filter(|(what, which)| which.is_some() || plan(what)) {
        let cell = which.map_or_else(|| Cell::new("not written down", super::super::section::Tone::Open), Cell::code);
        table.row([what.into(), cell]);
    }
    Section::new("Configuration and versions").table(table)
}

/// The journal's chains, and the seal.
pub(super) fn signature(evidence: &Evidence) -> Section {
    let mut table = Table::new(["chain of the journal", "#records", "head"]);
    for chain in &evidence.signature.chains {
        table.row([Cell::code(chain.id.as_str()), count(chain.records).into(), Cell::code(chain.head.as_str())]);
    }
    let mut sealed = Table::new(["seal", "SHA-256"]);
    let hash = match evidence.signature.sha256.as_str() {
        "" => Cell::new("not sealed", super::super::section::Tone::Open),
        hash => Cell::code(hash),
    };
    sealed.row(["this evidence, as canonical JSON".into(), hash]);
    Section::new("Signature").table(table).table(sealed)
}
