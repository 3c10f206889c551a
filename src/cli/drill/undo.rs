//! `tidegate drill undo`: whatever a drill left on machines is found there, and ended.

use clap::Args;
use serde_json::json;

use super::super::{
    act::{confirm, may_ask},
    args::{Acting, Global},
    context::Context,
    exit::{Code, Result},
    out::Out,
    play::injector,
};
use crate::{playbook::Place, run::wants::Wants};

#[derive(Debug, Args)]
pub(in crate::cli) struct Undo {
    /// Hosts that are no members, to be searched besides every node
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    #[command(flatten)]
    acting: Acting,
}

/// Finds and ends them.
pub(super) async fn command(global: &Global, out: Out, args: Undo) -> Result<Code> {
    may_ask(&args.acting)?;
    let context = Context::open(&global.config).await?;
    let survey = context.survey(|_| Wants::default()).await?;
    let injector = injector(&context, &survey);
    let nodes = survey.topology.nodes.iter().cloned().map(Place::Node);
    let hosts = args.hosts.iter().cloned().map(|host| Place::Host { host, instance: None });
    let places: Vec<Place> = nodes.chain(hosts).collect();
    let (mut lines, mut objects, mut well) = (Vec::new(), Vec::new(), true);
    for (place, found) in injector.leftovers(&places).await {
        let at = match &place {
            Place::Node(node) => node.to_string(),
            Place::Host { host, .. } => host.clone(),
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                well = false;
                objects.push(json!({ "place": at, "error": error.to_string() }));
                lines.push(format!("{at}: not known: {error}"));
                continue;
            }
        };
        for left in found {
            let word = left.injected.fault.word();
            if !args.acting.yes {
                confirm(&format!("End {word} at {at}?"))?;
            }
            let undone = injector.undo(&left.injected).await;
            well &= undone.is_ok();
            let error = undone.err().map(|error| error.to_string());
            lines.push(match &error {
                None => format!("{at}: {word} is undone"),
                Some(why) => format!("{at}: {word} is NOT undone: {why}; there: {}", left.injected.by_hand()),
            });
            objects.push(json!({ "place": at, "fault": word, "id": left.injected.id, "error": error }));
        }
    }
    if lines.is_empty() {
        lines.push("no fault of ours is on any machine".into());
    }
    out.result(&json!({ "result": if well { "done" } else { "failed" }, "found": objects }), &lines.join("\n"));
    Ok(if well { Code::Done } else { Code::Failed })
}
