//! The command line as types: one definition for parsing, help, man pages and completions.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, builder::styling};

use super::{
    abort::AbortArgs, bench_probes::BenchProbesArgs, check::CheckArgs, clone::Clone as CloneCommand,
    completions::CompletionsArgs, drill::Drill, guard::GuardArgs, history::HistoryArgs, load::LoadArgs, man::ManArgs,
    playbook::Playbook, serve::ServeArgs, show::ShowArgs, status::StatusArgs, window::Window,
};
use crate::{demo::DemoArgs, model::NodeName};

const STYLES: styling::Styles = styling::Styles::styled()
    .header(styling::AnsiColor::Green.on_default().bold())
    .usage(styling::AnsiColor::Green.on_default().bold())
    .literal(styling::AnsiColor::Cyan.on_default().bold())
    .placeholder(styling::AnsiColor::Cyan.on_default());

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 refused by a gate, 4 held, paused or stuck.
With --json the last line of stdout is one JSON object; everything for people is on stderr.";

// A line of fields is one line here: clap breaks it where the terminal ends.
const AFTER_LONG_HELP: &str = "\
Exit codes:
  0  done
  1  failed, or given up and undone
  2  the command line or the configuration is wrong; nothing was touched
  3  refused by a gate or by another executor; nothing was touched
  4  held, paused or stuck: a run or a play waits for a person

With --json the last line of stdout is one JSON object; everything for people is on stderr.
  drain, restore, resume, abort
      {run, purpose, node, result, why, undo, seconds, waited, node_state, next, reassertions, unrehearsed, \
      opened_at}; result is done, held, paused, aborted, stuck or acknowledged; undo is the same object for the \
      run that put things back, or null; waited: seconds of each step by its name
  plan
      {request, parent, origin, made_at, fingerprint, found, rehearsal, steps, warnings}
  can-drain
      {node, verdict, gates: [{code, answer, detail, remedy}]}; verdict is yes or no
  status
      {cluster, nodes, routes, run, unknown, warnings}
  history
      {runs: [{run, purpose, node, operator, reason, result, opened_at, seconds}], trends: [{purpose, node, runs, \
      last_s, median_s, direction}], drills, drill_trends}; last_s: seconds of the last ones that were done, the \
      newest last; median_s is that of those before the newest, or null; direction is shorter, longer, as-before or unknown
  show
      {run, opened_at, ended_at, plan, records, receipts, steps, status, chain, report}
  playbook check
      {playbook, digest, inputs, problems, waves, nodes: [as of can-drain]}; waves and nodes are null with \
      --offline; with a mistake {result: usage, problems: [{file, line, column, key, message, help}]}
  playbook plan
      {playbook, about, digest, rounds: [{round, nodes, steps: [{step, action, what, require, ensure, usual: {p50, \
      p95, seen}}]}], total: {usually_s, at_worst_s, unknown, people}}
  playbook run, resume, approve, abort, status PLAY; drill run, stop
      {play, playbook, digest, result, why, opened_at, ended_at, given_up_at, seconds, operator, reason, waves, \
      out, steps: [{part, wave, node, step, result, since, done, run, why, told, code, output}], asks: [{node, \
      step, message, until}], next, chain, drill}; result is done, failed, given-up, held, running or paused; out: \
      nodes that it took out and that are not back
  playbook status
      {plays: [{play, playbook, opened_at, ended_at, result, operator, reason, drill}]}
  playbook status PLAY --follow
      a line each change: {play, seq, at, change, node, step, event}; the last line is as of status PLAY
  drill undo
      {result, found: [{place, fault, id, play, error}], open: [play]}
  drill report
      the evidence: {format, kind, id, name, hypothesis, verdict, objectives, operator, reason, nodes, started, \
      ended, phases, fault, traffic, series, residual, differences, remarks, configuration, versions, signature}; \
      with --output {run, kind, verdict, output, sha256}
  window
      {result, routes: [{route, ttl_s, former_s}]}
  clone plan, clone status
      {verdict, version, gates, services: [{service, resource, clone, declared, constraints, withheld, changes: \
      [{change, text, commands}], gates}], rehearsal}; verdict is as-declared, yes or no; status adds instances: \
      [{service, node, cluster, unit, boot, ready}] and applied: what undo takes back, the last one last
  clone apply, clone undo
      {result, changed, changes, texts, missing}; result is done, or held where something is missing
  clone adopt, clone release
      {result, service, runs: [as of drain and restore], changes, next}; result is done, or held
  serve
      {result}; stopped, once it is told to
  check
      {ok, items: [{what, answer, detail}], findings: [{code, about, what, why, mend, severity, known}], accepted: \
      [{code, about, what, reason}], not_asked: [code]}; answer is ok, warn or problem, severity is problem or \
      warn; ok is false (and the exit code 1) where either of the two has a problem; known is false where a rule \
      could not look, and what says why; not_asked are rules that --offline leaves out
  any error
      {result, error, next}; result is failed, usage, refused or held; a refusal adds {purpose, node, refusals: \
      [gate]}, a wrong configuration {problems}";

/// Take a node of an active-active service out of traffic, and bring it back, without losing a request.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, styles = STYLES, after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Where the help lists what every command takes: apart from a command's own.
const EVERYWHERE: &str = "For every command";

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(super) struct Global {
    /// The configuration: a file, or a directory of fragments
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "PATH", env = "TIDEGATE_CONFIG", default_value = crate::config::DEFAULT_PATH)]
    pub(super) config: PathBuf,
    /// Print the result as one line of JSON, the last line of stdout
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(super) json: bool,
    /// Tell every single effect; twice: what is asked of each system
    #[arg(short, long, global = true, help_heading = EVERYWHERE, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// Tell nothing but results and errors
    #[arg(short, long, global = true, help_heading = EVERYWHERE, conflicts_with = "verbose")]
    pub(super) quiet: bool,
}

/// What every command takes that moves something.
#[derive(Clone, Debug, Args)]
pub(super) struct Acting {
    /// Why; kept in the journal and in the cluster, for everybody to see
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    pub(super) reason: String,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Who asks [default: $SUDO_USER, $USER or the account]
    #[arg(long, value_name = "NAME")]
    pub(super) operator: Option<String>,
}

impl Acting {
    /// Who asks.
    pub(super) fn operator(&self) -> String {
        let from = |name| std::env::var(name).ok().filter(|who| !who.is_empty());
        let account = || crate::journal::holder_id().split('@').next().unwrap_or_default().to_owned();
        self.operator.clone().or_else(|| from("SUDO_USER")).or_else(|| from("USER")).unwrap_or_else(account)
    }
}

#[derive(Debug, Args)]
pub(super) struct NodeArg {
    /// The node, by its name in the cluster
    #[arg(value_name = "NODE", value_parser = node_name)]
    pub(super) node: NodeName,
}

/// Gates that a person answers for.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Overrides {
    /// Answer for a gate that refuses: its name, and why; kept in the journal. May be given more than once
    #[arg(long = "override", value_name = "GATE=REASON")]
    pub(super) list: Vec<crate::plan::gates::Override>,
}

/// A drain that is only asked about.
#[derive(Debug, Args)]
pub(super) struct Asked {
    #[command(flatten)]
    pub(super) node: NodeArg,
    #[command(flatten)]
    pub(super) overrides: Overrides,
    #[command(flatten)]
    pub(super) leaving: super::leaving::Leaving,
    /// Ask only the cluster that was saved in this file (`cibadmin --query`), and touch no system
    #[arg(long, value_name = "FILE")]
    pub(super) cib: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct DrainArgs {
    #[command(flatten)]
    pub(super) act: Act,
    #[command(flatten)]
    pub(super) leaving: super::leaving::Leaving,
    #[command(flatten)]
    pub(super) overrides: Overrides,
}

#[derive(Debug, Args)]
pub(super) struct Act {
    #[command(flatten)]
    pub(super) node: NodeArg,
    #[command(flatten)]
    pub(super) acting: Acting,
}

#[derive(Debug, Args)]
pub(super) struct RunArg {
    /// The run, as `tidegate history` names it
    #[arg(value_name = "RUN", value_parser = run_name)]
    pub(super) run: crate::model::RunId,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    pub(super) run: RunArg,
    #[command(flatten)]
    pub(super) acting: Acting,
}

#[derive(Debug, Subcommand)]
pub(super) enum Planned {
    /// What a drain would do
    Drain(Asked),
    /// What a restore would do
    Restore(NodeArg),
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the configuration, that everything it names answers, and review the distribution checklist
    Check(CheckArgs),
    /// Show who serves what share, through which routes, and the open run
    Status(StatusArgs),
    /// Tell whether a node can be drained now, with every reason
    CanDrain(Asked),
    /// Show what would happen, step by step, and change nothing
    #[command(subcommand)]
    Plan(Planned),
    /// Take a node out of traffic, then out of the cluster
    Drain(DrainArgs),
    /// Bring a drained node back, exactly as it was
    Restore(Act),
    /// Go on with a run that was held, paused or interrupted
    Resume(ResumeArgs),
    /// Give a run up and put everything back
    Abort(AbortArgs),
    /// List the runs, newest first
    History(HistoryArgs),
    /// Show one run: its plan, what happened, and the node's state
    Show(ShowArgs),
    /// Try what losing a node does, under load: what is promised beside what is measured; and the report of any run
    #[command(subcommand)]
    Drill(Drill),
    /// Shorten the TTLs of names ahead of a planned window, and put them back after it
    #[command(subcommand)]
    Window(Window),
    /// Declare, mend and show the clones by which the cluster runs the services
    #[command(subcommand)]
    Clone(CloneCommand),
    /// Do a whole round over many nodes (patch, reboot, upgrade), as a file says it
    #[command(subcommand)]
    Playbook(Playbook),
    /// Show what the guard withdrew by itself, and what it saw and did lately
    Guard(GuardArgs),
    /// Run the coordinator: keep out what is out, guard what is lost, and export what is seen
    Serve(ServeArgs),
    /// Watch a drain lose nothing, or (`--naive`) some, on an embedded cluster
    Demo(DemoArgs),
    /// Probe loopback addresses and count, for the benchmark
    #[command(hide = true)]
    BenchProbes(BenchProbesArgs),
    /// Send requests at a constant rate and report every failure
    #[command(hide = true, long_about = super::load::ABOUT)]
    Load(Box<LoadArgs>),
    /// Print a completion script for a shell
    #[command(hide = true)]
    Completions(CompletionsArgs),
    /// Write the man pages into a directory
    #[command(hide = true)]
    Man(ManArgs),
}

fn node_name(text: &str) -> Result<NodeName, String> {
    named(text, "node").map(NodeName::new)
}

pub(super) fn run_name(text: &str) -> Result<crate::model::RunId, String> {
    named(text, "run").map(crate::model::RunId::new)
}

/// A time as people write it: `500ms`, `10s`, `5m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|_| format!("'{text}' is no time (like 500ms, 10s, 5m)"))?;
    let time = Duration::try_from(span).map_err(|_| "a time cannot be negative".to_owned())?;
    if time.is_zero() || time > Duration::from_secs(24 * 3600) {
        return Err("it must be more than nothing and at most a day".to_owned());
    }
    Ok(time)
}

pub(super) fn named<'a>(text: &'a str, what: &str) -> Result<&'a str, String> {
    let fits = !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    fits.then_some(text).ok_or_else(|| format!("a {what}'s name is one word"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn json_may_be_asked_for_anywhere() {
        for line in [["tidegate", "--json", "status"], ["tidegate", "status", "--json"]] {
            assert!(Cli::try_parse_from(line).is_ok_and(|cli| cli.global.json));
        }
    }
}
