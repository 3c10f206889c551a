//! The command line: arguments → command → exit code. A file per command; what they share is in [`exit`], [`out`],
//! `context` (configuration to providers) and `execute` (a run in front of a person).

use std::{ffi::OsString, process::ExitCode, time::Duration};

use clap::Parser;

mod abort;
mod act;
mod args;
mod bench_probes;
mod can_drain;
mod check;
mod clone;
mod completions;
mod context;
pub mod demo;
mod drill;
mod execute;
pub mod exit;
mod guard;
mod history;
mod leaving;
pub mod load;
mod man;
pub mod offline;
mod out;
mod plan;
mod play;
mod playbook;
mod report;
mod resume;
mod serve;
mod show;
mod standin;
mod status;
mod table;
mod window;
mod world;

pub use args::Cli;

use args::{Command, Overrides};
use exit::{Code, Failure, Result};
use leaving::Leaving;
use out::Out;

use crate::plan::Purpose;

/// Time that connections and threads have to end once the command has; whatever is left ends with the process.
const FAREWELL: Duration = Duration::from_millis(200);

/// The whole program: parses, runs, and gives back the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error, &arguments),
    };
    log(cli.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            anstream::eprintln!("tidegate: no runtime: {error}");
            return Code::Failed.into();
        }
    };
    let code = runtime.block_on(run(cli));
    runtime.shutdown_timeout(FAREWELL);
    code
}

async fn run(cli: Cli) -> ExitCode {
    let Cli { global, command } = cli;
    let out = Out { json: global.json, quiet: global.quiet };
    let done: Result<Code> = match command {
        Command::Check(args) => check::command(&global, out, args).await,
        Command::Status(args) => status::command(&global, out, args).await,
        Command::CanDrain(asked) => can_drain::command(&global, out, asked).await,
        Command::Plan(planned) => plan::command(&global, out, planned).await,
        Command::Drain(args) => {
            act::command(&global, out, Purpose::Drain, args.act, args.overrides, &args.leaving).await
        }
        Command::Restore(act) => {
            act::command(&global, out, Purpose::Restore, act, Overrides::default(), &Leaving::default()).await
        }
        Command::Resume(args) => resume::command(&global, out, args).await,
        Command::Abort(args) => abort::command(&global, out, args).await,
        Command::History(args) => history::command(&global, out, args).await,
        Command::Show(args) => show::command(&global, out, args).await,
        Command::Drill(asked) => drill::command(&global, out, asked).await,
        Command::Window(args) => window::command(&global, out, args).await,
        Command::Clone(args) => clone::command(&global, out, args).await,
        Command::Playbook(command) => playbook::command(&global, out, command).await,
        Command::Guard(args) => guard::command(&global, out, args).await,
        Command::Serve(args) => serve::command(&global, out, args).await,
        Command::BenchProbes(args) => bench_probes::command(out, args).await,
        Command::Completions(args) => completions::command(out, &args),
        Command::Man(args) => man::command(out, &args),
        Command::Demo(args) => return own_code(out, demo::command(args).await),
        Command::Load(args) => load::command(&global.config, *args).await,
    };
    match done {
        Ok(code) => code.into(),
        Err(failure) => {
            out.failure(&failure);
            failure.code.into()
        }
    }
}

/// Commands that judge by themselves how they ended.
fn own_code<E: std::fmt::Display>(out: Out, done: std::result::Result<ExitCode, E>) -> ExitCode {
    done.unwrap_or_else(|error| {
        out.failure(&Failure::new(Code::Failed, error.to_string()));
        Code::Failed.into()
    })
}

/// A wrong command line (2), or a question for help or the version (0). Who asked for JSON gets JSON here too.
fn misunderstood(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // A closed stderr is no reason for another exit code.
    let _ = error.print();
    if !error.use_stderr() {
        return Code::Done.into();
    }
    if arguments.iter().any(|a| a == "--json") {
        let message = error.to_string();
        Out { json: true, quiet: true }.result(&Failure::usage(message).json(), "");
    }
    Code::Usage.into()
}

/// What the library logs goes to stderr; `$TIDEGATE_LOG` says it more finely than `-v`.
fn log(verbose: u8) {
    let level = match verbose {
        0 => "tidegate=warn",
        1 => "tidegate=info",
        _ => "tidegate=debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("TIDEGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    // Only a program that has set another one would be refused, and that is its right.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .without_time()
        .try_init();
}
