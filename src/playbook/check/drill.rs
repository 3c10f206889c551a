//! What only a drill may do, and what a drill must be: about one node or one host, and over before its load is.

use std::{collections::BTreeSet, time::Duration};

use super::steps;
use crate::config::{reader::Reader, report::Problems, show};

/// Faults of what distributes, not of a node: they may be on any host.
const ANYWHERE: [&str; 3] = ["balancer-lost", "secondary-lost", "announcer-lost"];

pub(super) fn drill(root: &Reader<'_>, problems: &mut Problems) {
    for step in steps(root) {
        let Some(word @ ("fault" | "observe")) = step.variant() else { continue };
        if !root.has("drill") {
            let message = format!("`{word}` is a step of drills, and this is none");
            step.spot("do").report(problems, message, "say what it shall show in a `[drill]` table");
        }
        if word == "fault" {
            place(&step, problems);
        }
    }
    for step in root.tables("clean-up").iter().filter(|step| step.variant() == Some("fault")) {
        step.spot("do").report(problems, "the clean-up breaks something", "put it among the steps");
    }
    if !root.has("drill") {
        return;
    }
    if root.has("nodes") {
        one_node(root, problems);
    }
    let played = ["before", "step", "after"].into_iter().flat_map(|list| root.tables(list));
    for step in played.filter(|step| step.variant() == Some("fault")).skip(1) {
        let message = "a drill breaks one thing, and this is another";
        step.spot("do").report(problems, message, "make a second drill of it: each has its consent and its evidence");
    }
    duration(root, problems);
}

/// What a node loses cannot be taken from another host.
fn place(step: &Reader<'_>, problems: &mut Problems) {
    let (Some(fault), Some(at)) = (step.table("break").and_then(|r| r.variant()), step.table("at")) else { return };
    if at.has("host") && !ANYWHERE.contains(&fault) {
        let message = format!("`{fault}` is played on a node of the cluster");
        at.spot("host").report(problems, message, "leave `at` out, or name the node with `node`");
    }
}

fn one_node(root: &Reader<'_>, problems: &mut Problems) {
    let Some(nodes) = root.table("nodes") else { return };
    let help = "select = \"names\", names = [\"{target}\"] with an input of type \"node\"";
    if nodes.variant() != Some("names") {
        let spot = nodes.spot("select");
        return spot.report(problems, "a drill is about exactly one node, and this may select any number", help);
    }
    let set = |key: &str| -> Option<BTreeSet<String>> { Some(nodes.texts(key)?.into_iter().map(|n| n.1).collect()) };
    let (Some(names), Some(except)) = (set("names"), set("except")) else { return };
    let left = names.difference(&except).count();
    if left != 1 {
        let message = format!("a drill is about exactly one node, and this selects {left}");
        nodes.spot("names").report(problems, message, "");
    }
}

/// The load has to last as long as what it measures.
fn duration(root: &Reader<'_>, problems: &mut Problems) {
    let Some(load) = root.table("drill").and_then(|r| r.table("load")).filter(|r| r.variant() == Some("client")) else {
        return;
    };
    let lasting = |step: &Reader<'_>| match step.variant() {
        Some("fault" | "observe") => step.duration("lasts"),
        _ => None,
    };
    let least: Duration = steps(root).iter().filter_map(lasting).sum();
    if let Some(most) = load.duration("at-most").filter(|most| *most < least) {
        let message =
            format!("the load ends after {}, and the faults and observations alone take {}", show(most), show(least));
        load.spot("at-most").report(problems, message, "");
    }
}
