//! What is written down when a play is over: its evidence. A drill's measurements end here, and may make a miss of what went
//! through all of its steps.

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::super::{
    args::Global,
    context::{Context, Survey},
};
use crate::{
    drill::{
        evidence::{self, Known},
        meter::Meter,
        report::{Configuration, Outcome},
    },
    journal::{PlayReading, Record, RunSummary},
    play::Closing,
    playbook::{PlayEnding, PlayEvent},
    provider::{Clock, ClusterControl},
};

/// Writes the evidence.
pub(in crate::cli) struct Ending {
    context: Context,
    nodes: usize,
    configuration: Configuration,
    clock: std::sync::Arc<dyn Clock>,
    cluster: std::sync::Arc<dyn ClusterControl>,
    /// What measures, while a drill is played.
    pub(in crate::cli) meter: Mutex<Option<Meter>>,
}

impl Ending {
    pub(super) fn new(global: &Global, context: &Context, survey: &Survey) -> Self {
        // The settings as they were understood: the same whatever fragments they were spread over.
        let settings = serde_json::to_vec(&*context.settings).unwrap_or_default();
        let digest = Sha256::digest(settings).iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            context: context.clone(),
            nodes: survey.topology.nodes.len(),
            configuration: Configuration { path: global.config.display().to_string(), digest },
            clock: survey.world.clock.clone(),
            cluster: survey.world.cluster.clone(),
            meter: Mutex::new(None),
        }
    }

    /// Not known where the cluster does not answer.
    async fn pacemaker(&self) -> Option<String> {
        let observed = tokio::time::timeout(self.context.settings.run.call_timeout, self.cluster.observe()).await;
        observed.ok()?.ok()?.version
    }

    /// How many instances the drill's service has; every node has one where it is not said.
    fn instances(&self, reading: &PlayReading) -> usize {
        let service = reading.summary.opening.playbook.drill.as_ref().map(|drill| &drill.service);
        let mut services = self.context.settings.services.iter();
        let most = services.find(|s| Some(&s.name) == service).and_then(|s| s.clone.clone_max);
        most.map_or(self.nodes, |most| self.nodes.min(usize::try_from(most).unwrap_or(usize::MAX)))
    }

    async fn runs(&self, reading: &PlayReading) -> Vec<(RunSummary, Vec<Record>)> {
        let mut runs = Vec::new();
        for run in reading.state.spots.values().filter_map(|at| at.run.as_ref()) {
            let journal = &self.context.journal;
            // What cannot be read is missing in the evidence; the journal says why when it is asked.
            if let (Ok(summary), Ok(records)) = (journal.run(run).await, journal.records(run).await) {
                runs.push((summary, records));
            }
        }
        runs
    }
}

#[async_trait(?Send)]
impl Closing for Ending {
    async fn close(&self, reading: &PlayReading, ending: PlayEnding) -> (Vec<PlayEvent>, PlayEnding) {
        let measured = match self.meter.lock().await.take() {
            Some(meter) => Some(meter.finish().await),
            None => None,
        };
        let runs = self.runs(reading).await;
        let known = Known {
            reading,
            ending: &ending,
            runs: &runs,
            counted: measured.as_ref().map(|(counted, _)| counted),
            watched: measured.as_ref().map(|(_, watched)| watched),
            instances: self.instances(reading),
            configuration: Some(self.configuration.clone()),
            pacemaker: self.pacemaker().await,
            now: self.clock.now(),
        };
        let evidence = evidence::of(&known);
        let verdict = evidence.verdict.clone();
        let ending = match (&ending, verdict.outcome) {
            (PlayEnding::Done, Outcome::Missed) => {
                PlayEnding::Failed { why: format!("missed: {}", verdict.why.unwrap_or_default()) }
            }
            (PlayEnding::Done, Outcome::NotKnown) => {
                PlayEnding::Failed { why: verdict.why.unwrap_or_else(|| "it is not known what came out".into()) }
            }
            _ => ending,
        };
        let sealed = evidence.seal().ok().and_then(|evidence| serde_json::to_value(evidence).ok());
        (sealed.map(|evidence| PlayEvent::Measured { evidence }).into_iter().collect(), ending)
    }
}
