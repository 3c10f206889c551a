//! The `tidegate` program: arguments → command → exit code.

use std::{error::Error, io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use tidegate::{
    cli::{demo, load},
    demo::DemoArgs,
};

/// Take a node of an active-active service out of traffic, and bring it back, without losing a request.
#[derive(Parser)]
#[command(name = "tidegate", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch a drain lose nothing, or (naive) lose plenty, on an embedded cluster
    Demo(DemoArgs),
    /// Send requests at a constant rate and report every failure
    Load(load::LoadArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { command } = Args::parse();
    let done: Result<ExitCode, Box<dyn Error>> = match command {
        Command::Demo(args) => demo::command(args).await.map_err(Into::into),
        Command::Load(args) => load::command(args).await.map_err(Into::into),
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "tidegate: {error}");
        ExitCode::FAILURE
    })
}
