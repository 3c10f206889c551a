//! `tidegate playbook run FILE`: read, checked against the configuration, shown, asked for, opened, carried out.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use serde_json::json;

use super::super::{
    act::{confirm, may_ask},
    args::{Acting, Global, Overrides},
    context::Context,
    exit::{Code, Failure, Result},
    out::Out,
    play,
};
use crate::{
    config::{Report, Settings},
    model::NodeName,
    playbook::{self, Attributes, Loaded, Playbook},
    run::wants::Wants,
};

/// A file, and what is put in.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Asked {
    /// The file of the playbook or drill
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// What is put in, for each input that it declares
    #[arg(value_name = "INPUT=VALUE", value_parser = input)]
    pub(in crate::cli) inputs: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Run {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    acting: Acting,
}

fn input(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as INPUT=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// Reads a playbook, with every problem of it and of how it fits the configuration.
pub(in crate::cli) fn read(asked: &Asked, settings: &Settings) -> Result<Playbook> {
    checked(asked, settings).map(|loaded| loaded.playbook)
}

/// The same, with the places of its values.
pub(super) fn checked(asked: &Asked, settings: &Settings) -> Result<Loaded> {
    let mut inputs = BTreeMap::new();
    for (name, value) in &asked.inputs {
        if inputs.insert(name.clone(), value.clone()).is_some() {
            return Err(Failure::usage(format!("the input {name} is put in twice")));
        }
    }
    playbook::checked(&asked.file, &inputs, settings).map_err(|report| wrong(&report))
}

fn wrong(report: &Report) -> Failure {
    let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    Failure::usage(format!("the playbook is wrong; nothing was touched\n\n{}", report.render(colour)))
        .detail("problems", json!(report.problems()))
}

/// The waves of a playbook on the cluster as it is.
pub(in crate::cli) async fn waves(context: &Context, playbook: &Playbook) -> Result<Vec<Vec<NodeName>>> {
    let cluster = Wants { cluster: Some(std::time::Duration::ZERO), ..Wants::default() };
    let survey = context.survey(|_| cluster).await?;
    let view = survey.seen.cluster.value();
    let attributes: Attributes = match view {
        Some(view) => view.nodes.iter().map(|(name, node)| (name.clone(), node.attributes.clone())).collect(),
        None if matches!(playbook.nodes.who, playbook::Who::Attribute { .. }) => {
            return Err(Failure::new(Code::Failed, "the nodes' attributes are not known: the cluster does not answer"));
        }
        None => Attributes::new(),
    };
    playbook::waves(&playbook.nodes, &survey.topology.nodes, &attributes).map_err(Failure::usage)
}

/// Carries it out.
pub(super) async fn command(global: &Global, out: Out, args: Run) -> Result<Code> {
    may_ask(&args.acting)?;
    let context = Context::open(&global.config).await?;
    let playbook = read(&args.asked, &context.settings)?;
    if playbook.drill.is_some() {
        return Err(Failure::usage(format!("{} is a drill", playbook.name))
            .next(format!("`tidegate drill run {}` plays it.", args.asked.file.display())));
    }
    let waves = waves(&context, &playbook).await?;
    out.say(&outline(&playbook, &waves));
    if !args.acting.yes {
        confirm(&format!("Carry out {}?", playbook.name))?;
    }
    let (play, opening) = play::open(&context, playbook, waves, &args.acting, args.overrides.list).await?;
    out.say(&format!("{play}: `tidegate playbook abort {play}` gives it up"));
    play::Stage::set(global, out, context, play, &opening).await?.finish(out).await
}

/// What will be done, in a few lines; `playbook plan` says all of it.
pub(in crate::cli) fn outline(playbook: &Playbook, waves: &[Vec<NodeName>]) -> String {
    let names = |steps: &[playbook::Step]| steps.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(" > ");
    let mut text = format!("{}: {}\n", playbook.name, playbook.about);
    for (what, steps) in [
        ("before", &playbook.before),
        ("each", &playbook.steps),
        ("after", &playbook.after),
        ("at the end", &playbook.clean_up),
    ] {
        if !steps.is_empty() {
            text += &format!("  {what:<11}{}\n", names(steps));
        }
    }
    for (number, wave) in waves.iter().enumerate() {
        let nodes: Vec<&str> = wave.iter().map(NodeName::as_str).collect();
        text += &format!("  wave {:<6}{}\n", number + 1, nodes.join(", "));
    }
    text
}
