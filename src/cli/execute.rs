//! Executing a run in front of a person: progress, Ctrl-C, and the last words.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    args::Global,
    context::{Context, Survey},
    exit::{Code, Failure, Result},
    report::RunReport,
};
use crate::{
    journal::{Lease, holder},
    model::{Observation, RunId},
    observe::progress::{Look, Progress},
    run::executor::{Engine, RunError},
};

/// An engine with somebody watching.
pub(super) struct Desk {
    pub(super) engine: Engine,
    pub(super) progress: Arc<Progress>,
}

impl Desk {
    pub(super) fn new(global: &Global, context: &Context, survey: &Survey) -> Self {
        let progress = Arc::new(Progress::new(Look::fitting(global.quiet, global.verbose > 0)));
        let engine = Engine {
            world: survey.world.clone(),
            journal: context.journal.clone(),
            settings: context.settings.clone(),
            topology: survey.topology.clone(),
            watcher: progress.clone(),
            holder: holder::holder_id(),
        };
        Self { engine, progress }
    }

    /// Executes the run, and whatever undoes it, until there is nothing left to do or somebody says stop. Whatever
    /// happens, what comes back says what state the node is in.
    pub(super) async fn execute(&self, run: &RunId, lease: Lease, seen: Observation) -> Result<RunReport> {
        let stop = CancellationToken::new();
        let executed = tokio::select! {
            executed = self.engine.execute(run, lease, seen, &stop) => Some(executed),
            () = self.told_twice(run, &stop) => None,
        };
        self.progress.finish();
        match executed {
            Some(Ok(_)) => RunReport::of(&*self.engine.journal, run, false).await,
            Some(Err(error)) => Err(self.failed(run, error).await),
            None => Err(interrupted(run)),
        }
    }

    /// The first signal ends the waiting. The second ends the program as a crash would: the journal is made for it.
    async fn told_twice(&self, run: &RunId, stop: &CancellationToken) {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            tracing::warn!("signals cannot be received: Ctrl-C ends the program at once");
            return std::future::pending().await;
        };
        either(&mut interrupt, &mut terminate).await;
        stop.cancel();
        self.progress.say(&format!(
            "Stopping as soon as no change is under way (once more: at once). `tidegate resume {run}` goes on, \
             `tidegate abort {run}` puts everything back."
        ));
        either(&mut interrupt, &mut terminate).await;
    }

    /// The error, with the node's state and the next command as far as the journal still tells.
    async fn failed(&self, run: &RunId, error: RunError) -> Failure {
        let told = matches!(error, RunError::Journal { .. });
        let failure = Failure::from(error);
        match RunReport::of(&*self.engine.journal, run, false).await {
            Ok(report) => {
                let next = format!("{}\n{}.", report.node_state, report.next);
                let failure = failure.detail("run", serde_json::json!(report));
                if told { failure } else { failure.next(next) }
            }
            Err(_) => failure,
        }
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn interrupted(run: &RunId) -> Failure {
    let message = format!("{run}: ended at once; a change that was under way may have happened");
    Failure::new(Code::Held, message)
        .next(format!("`tidegate resume {run}` looks before it goes on; `tidegate abort {run}` puts everything back."))
        .detail("run", serde_json::json!(run))
}
