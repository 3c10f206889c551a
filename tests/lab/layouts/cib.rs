//! Resources and constraints as the text of a CIB: all layouts are one change.

use std::fmt::Write as _;

/// Names and values.
pub type Pairs<'a> = &'a [(&'a str, &'a str)];

/// What is added to the configuration.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub resources: String,
    pub constraints: String,
}

fn pairs(element: &str, id: &str, pairs: Pairs<'_>) -> String {
    let each =
        |(name, value): &(&str, &str)| format!(r#"<nvpair id="{id}-{element}-{name}" name="{name}" value="{value}"/>"#);
    match pairs.is_empty() {
        true => String::new(),
        false => {
            format!(r#"<{element} id="{id}-{element}">{}</{element}>"#, pairs.iter().map(each).collect::<String>())
        }
    }
}

/// A primitive of `ocf:PROVIDER:KIND`.
pub fn primitive(id: &str, agent: &str, meta: Pairs<'_>, parameters: Pairs<'_>, needs: Pairs<'_>) -> String {
    let (provider, kind) = agent.split_once(':').unwrap_or(("pacemaker", agent));
    let meta = pairs("meta_attributes", id, meta);
    let parameters = pairs("instance_attributes", id, parameters);
    let needs = pairs("utilization", id, needs);
    let monitors = match kind {
        "Stateful" => vec![("300s", r#" role="Promoted""#), ("301s", r#" role="Unpromoted""#)],
        _ => vec![("300s", "")],
    };
    let op = |(interval, role): &(&str, &str)| {
        format!(r#"<op id="{id}-monitor-{interval}" name="monitor" interval="{interval}"{role}/>"#)
    };
    let ops: String = monitors.iter().map(op).collect();
    format!(
        r#"<primitive id="{id}" class="ocf" provider="{provider}" type="{kind}">{meta}{parameters}<operations>{ops}</operations>{needs}</primitive>"#
    )
}

/// A resource that does nothing but run.
pub fn dummy(id: &str) -> String {
    dummy_with(id, &[])
}

pub fn dummy_with(id: &str, meta: Pairs<'_>) -> String {
    primitive(id, "pacemaker:Dummy", meta, &[], &[])
}

pub fn group(id: &str, members: &[&str]) -> String {
    let members: String = members.iter().map(|id| dummy(id)).collect();
    format!(r#"<group id="{id}">{members}</group>"#)
}

/// The clone `ID-clone` of what has this id.
pub fn clone(id: &str, inner: &str, meta: Pairs<'_>) -> String {
    let name = format!("{id}-clone");
    let meta = pairs("meta_attributes", &name, meta);
    format!(r#"<clone id="{name}">{inner}{meta}</clone>"#)
}

impl Parts {
    pub fn of(resources: &[String]) -> Self {
        Self { resources: resources.concat(), constraints: String::new() }
    }

    /// Preferences for nodes, by their numbers.
    pub fn prefers(self, id: &str, scores: &[(u8, &str)]) -> Self {
        self.prefers_as("Started", id, scores)
    }

    /// The same for a role.
    pub fn prefers_as(mut self, role: &str, id: &str, scores: &[(u8, &str)]) -> Self {
        for (node, score) in scores {
            let _ = write!(
                self.constraints,
                r#"<rsc_location id="at-{id}-{node}" rsc="{id}" role="{role}" node="node-{node}" score="{score}"/>"#
            );
        }
        self
    }

    /// The resource is where the other one is, or never there.
    pub fn with(mut self, id: &str, other: &str, role: &str, score: &str) -> Self {
        let _ = write!(
            self.constraints,
            r#"<rsc_colocation id="with-{id}" rsc="{id}" with-rsc="{other}" with-rsc-role="{role}" score="{score}"/>"#
        );
        self
    }

    /// The second starts after this action on the first.
    pub fn after(mut self, first: &str, action: &str, then: &str) -> Self {
        let _ = write!(
            self.constraints,
            r#"<rsc_order id="after-{first}" first="{first}" first-action="{action}" then="{then}" then-action="start"/>"#
        );
        self
    }

    /// Only on nodes on which an attribute has this value.
    pub fn only_where(mut self, id: &str, attribute: &str, value: &str) -> Self {
        let _ = write!(
            self.constraints,
            r#"<rsc_location id="where-{id}" rsc="{id}"><rule id="where-{id}-rule" score="-INFINITY" boolean-op="or"><expression id="where-{id}-none" attribute="{attribute}" operation="not_defined"/><expression id="where-{id}-other" attribute="{attribute}" operation="ne" value="{value}"/></rule></rsc_location>"#
        );
        self
    }
}

/// The CIB with all of it in it, what nodes offer and are, and placement by that.
pub fn with(cib: &str, parts: &[&Parts]) -> String {
    let resources: String = parts.iter().map(|p| p.resources.as_str()).collect();
    let constraints: String = parts.iter().map(|p| p.constraints.as_str()).collect();
    let mut text = cib.replace("<constraints/>", "<constraints></constraints>");
    let mut put = |before: &str, what: &str| text = text.replacen(before, &format!("{what}{before}"), 1);
    put("</resources>", &resources);
    put("</constraints>", &constraints);
    let strategy = r#"<nvpair id="layouts-strategy" name="placement-strategy" value="utilization"/>"#;
    put("</cluster_property_set>", strategy);
    for (node, memory, tier) in [(1, "1000", "fast"), (2, "1000", "fast"), (3, "500", "slow")] {
        let id = format!("layouts-node-{node}");
        let offers =
            pairs("instance_attributes", &id, &[("tier", tier)]) + &pairs("utilization", &id, &[("memory", memory)]);
        let bare = format!(r#"<node id="{node}" uname="node-{node}"/>"#);
        text = text.replace(&bare, &format!(r#"<node id="{node}" uname="node-{node}">{offers}</node>"#));
    }
    text
}
