//! A fault as a step of a play: rehearsed, planned, written down, begun, waited for, ended. Whoever comes after a crash ends
//! it by what was written down.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::fault::{FaultState, Injected, Injector};
use crate::{
    play::{Book, Faults, Stepped, Trouble, hands::Breaking},
    playbook::{Action, Intent, Place, PlayEvent, Spot, SpotState},
    provider::{Clock, ProviderError},
};

/// How long after its deadline a fault may still be there until a person is told.
const PATIENCE: Duration = Duration::from_secs(120);

/// Plays faults, and ends them.
pub struct Breaker {
    injector: Arc<Injector>,
    clock: Arc<dyn Clock>,
}

impl Breaker {
    /// With this injector.
    pub fn new(injector: Arc<Injector>, clock: Arc<dyn Clock>) -> Self {
        Self { injector, clock }
    }

    async fn break_it(&self, book: &Book, spot: &Spot, injected: &Injected) -> Stepped {
        let value = serde_json::to_value(injected).map_err(|e| Trouble::failed(e.to_string()))?;
        let intent = Intent::Fault { injected: value.clone() };
        book.write(PlayEvent::Intended { spot: spot.clone(), intent }).await?;
        let since = match self.injector.inject(injected).await {
            Ok(since) => since,
            Err(ProviderError::Refused(why)) => {
                let since = book.clock.now();
                book.write(PlayEvent::Mended { spot: spot.clone(), since }).await?;
                return Err(Trouble::Failed(why));
            }
            Err(error) => return Err(Trouble::Failed(format!("it may have begun, and is ended: {error}"))),
        };
        book.write(PlayEvent::Broken { spot: spot.clone(), since }).await?;
        tokio::time::sleep(injected.lasts).await;
        let since = self.mend(&value).await.map_err(Trouble::Failed)?;
        book.write(PlayEvent::Mended { spot: spot.clone(), since }).await?;
        Ok(Some(format!("{} at {}", injected.fault.word(), injected.host)))
    }
}

#[async_trait]
impl Breaking for Breaker {
    async fn play(&self, book: &Book, spot: &Spot, action: &Action, before: Option<&SpotState>) -> Stepped {
        match action {
            Action::Fault { fault, place, lasts } => {
                // A drill whose program died is not gone on with: nobody measured meanwhile.
                if before.is_some_and(|before| before.intent.is_some()) {
                    return Err(Trouble::failed("the program that played it died; nobody measured what came after"));
                }
                let place = match (place, &spot.node) {
                    (Some(place), _) => place.clone(),
                    (None, Some(node)) => Place::Node(node.clone()),
                    (None, None) => return Err(Trouble::failed("it is not said where")),
                };
                let against = |against: Vec<String>| Trouble::Failed(against.join("; "));
                self.injector.rehearse(fault, &place, *lasts).await.map_err(against)?;
                let planned = self.injector.prepare(fault, &place, *lasts).await;
                let injected = planned.map_err(|error| Trouble::failed(error.to_string()))?;
                self.break_it(book, spot, &injected).await
            }
            Action::Observe { lasts } => {
                tokio::time::sleep(*lasts).await;
                Ok(None)
            }
            other => Err(Trouble::failed(format!("{} is nothing that a drill breaks", other.word()))),
        }
    }
}

#[async_trait]
impl Faults for Breaker {
    async fn mend(&self, injected: &Value) -> Result<Timestamp, String> {
        let injected: Injected = serde_json::from_value(injected.clone()).map_err(|e| e.to_string())?;
        // The cause goes at once; what comes back because of that takes its time.
        let began = self.clock.now();
        // Whoever comes late finds it gone: then it was gone at its time.
        if began >= injected.deadline && matches!(self.injector.state(&injected).await, Ok(FaultState::Undone)) {
            return Ok(injected.deadline);
        }
        match self.injector.undo(&injected).await {
            Ok(()) => Ok(began),
            // The way there went with it: its timer ends it.
            Err(ProviderError::Unreachable(_) | ProviderError::TimedOut(_)) => {
                let settled = self.injector.settled(&injected, PATIENCE).await;
                settled.map(|()| self.clock.now().min(injected.deadline).max(began)).map_err(|e| e.to_string())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}
