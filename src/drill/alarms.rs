//! Alerts that fire while a drill is played, asked for by a task of its own: a Prometheus that answers slowly must not keep
//! the drill's other limits waiting, and one that does not answer is no sign that all is well.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::provider::alerts::Alerts;

/// Time between two questions.
const ASK: Duration = Duration::from_secs(1);

/// What was heard last.
#[derive(Clone, Debug)]
struct Heard {
    /// Alerts that fire, by name, apart from those that fired before.
    new: BTreeSet<String>,
    /// When Prometheus answered last.
    at: Instant,
}

/// Listens until it is dropped or told to stop.
pub(super) struct Alarms {
    heard: watch::Receiver<Heard>,
    _task: AbortOnDropHandle<()>,
}

impl Alarms {
    /// Asks once, and goes on asking. What fires now is no matter of the drill.
    ///
    /// # Errors
    /// No Prometheus, or none that answers.
    pub(super) async fn listen(alerts: Option<&Arc<dyn Alerts>>, stop: &CancellationToken) -> Result<Self, String> {
        let alerts = alerts.ok_or("no Prometheus is configured whose alerts could end the drill")?.clone();
        let before = firing(&*alerts).await?;
        let (told, heard) = watch::channel(Heard { new: BTreeSet::new(), at: Instant::now() });
        let stop = stop.clone();
        let task = tokio::spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(ASK)).await.is_some() {
                if let Ok(now) = firing(&*alerts).await {
                    let new = now.difference(&before).cloned().collect();
                    told.send_replace(Heard { new, at: Instant::now() });
                }
            }
        });
        Ok(Self { heard, _task: AbortOnDropHandle::new(task) })
    }

    /// Alerts that fire and did not at first, and how long ago Prometheus said so.
    pub(super) fn now(&self) -> (BTreeSet<String>, Duration) {
        let heard = self.heard.borrow();
        (heard.new.clone(), heard.at.elapsed())
    }
}

async fn firing(alerts: &dyn Alerts) -> Result<BTreeSet<String>, String> {
    let firing = alerts.firing().await.map_err(|error| error.to_string())?;
    Ok(firing.iter().map(|alert| alert.label("alertname").to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        model::Alert,
        provider::{ProviderError, Result},
    };

    /// Says what it is told to, or nothing.
    #[derive(Default)]
    struct Prometheus(Mutex<Option<Vec<&'static str>>>);

    #[async_trait]
    impl Alerts for Prometheus {
        async fn firing(&self) -> Result<Vec<Alert>> {
            let names = self.0.lock().expect("no thread panics").clone();
            let alert = |name: &&str| Alert {
                labels: [("alertname".to_owned(), (*name).to_owned())].into(),
                ..Alert::default()
            };
            names.map(|names| names.iter().map(alert).collect()).ok_or(ProviderError::TimedOut(ASK))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_new_counts_and_a_silence_has_its_age() {
        let prometheus = Arc::new(Prometheus(Mutex::new(Some(vec!["DiskFull"]))));
        let alerts: Arc<dyn Alerts> = prometheus.clone();
        let alarms = Alarms::listen(Some(&alerts), &CancellationToken::new()).await.expect("it answers");
        assert!(alarms.now().0.is_empty());
        *prometheus.0.lock().expect("no thread panics") = Some(vec!["DiskFull", "LinkDown"]);
        tokio::time::sleep(ASK * 2).await;
        assert_eq!(alarms.now().0, BTreeSet::from(["LinkDown".to_owned()]));
        assert!(alarms.now().1 <= ASK);
        *prometheus.0.lock().expect("no thread panics") = None;
        tokio::time::sleep(ASK * 10).await;
        assert!(alarms.now().1 >= ASK * 8, "what was heard last is old, and says so");
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_answered_is_not_listened_to() {
        let silent: Arc<dyn Alerts> = Arc::new(Prometheus::default());
        assert!(Alarms::listen(Some(&silent), &CancellationToken::new()).await.is_err());
        assert!(Alarms::listen(None, &CancellationToken::new()).await.is_err());
    }
}
