//! Real faults on real machines, and their end.
//!
//! Before a fault begins, a timer is armed on the machine that undoes it: it goes off also when this program is gone, or
//! when the way to the machine is what was cut. Where the machine itself dies (its power is cut, it is fenced), the timer
//! is armed on another member, and the fence device undoes it.
//!
//! The order is always: [`Injector::rehearse`], which changes nothing; [`Injector::prepare`], which makes an [`Injected`]
//! for the journal; [`Injector::inject`], which arms the timer, reads it back, and only then begins; [`Injector::undo`].
//! After a crash [`Injector::state`] and [`Injector::undo`] need nothing but the `Injected` of the journal, and
//! [`Injector::leftovers`] nothing at all.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use self::{machine::Machine, recipe::recipe};
use crate::{
    model::{NodeName, ServiceName, UnitName},
    playbook::{Fault, Place},
    provider::{Clock, ProviderError, Result, access::Access},
};

mod injected;
mod machine;
mod play;
mod recipe;
mod rehearse;
mod state;
mod timer;

pub use injected::{FaultId, FaultState, Injected};

/// The shortest and the longest time that a fault may last.
pub const LASTS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 60);

/// What a fault of a service touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its unit.
    pub unit: UnitName,
    /// The cloned primitive that runs it.
    pub resource: String,
}

/// What the injector reaches.
#[derive(Clone)]
pub struct Reach {
    /// The way to the nodes.
    pub nodes: Arc<dyn Access>,
    /// The way to other machines.
    pub others: Arc<dyn Access>,
    /// The members, each with the host that `nodes` knows it by.
    pub hosts: BTreeMap<NodeName, String>,
    /// The services.
    pub services: BTreeMap<ServiceName, Served>,
    /// Time limit of one exchange. What a fence device does has a minute more.
    pub limit: Duration,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// A fault of ours that is on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// It.
    pub injected: Injected,
    /// Whether it is there.
    pub state: FaultState,
}

/// Plays faults on real machines.
pub struct Injector {
    reach: Reach,
}

impl Injector {
    /// Reaches nothing yet.
    pub fn new(reach: Reach) -> Self {
        Self { reach }
    }

    /// What is known before: the way in works, the tools are there, what is to be broken runs, the file system has room,
    /// the cluster has no failures there that would be forgotten with ours, and no fault of ours is there. Changes nothing.
    ///
    /// # Errors
    /// All that stands against it at once, each with its machine.
    pub async fn rehearse(
        &self,
        fault: &Fault,
        place: &Place,
        lasts: Duration,
    ) -> std::result::Result<(), Vec<String>> {
        let against = self.against(fault, place, lasts).await;
        if against.is_empty() { Ok(()) } else { Err(against) }
    }

    /// Plans a fault to the last word. It looks (which boot, which interface, which member helps), and changes nothing.
    /// The result belongs into the journal before [`Self::inject`] gets it.
    ///
    /// # Errors
    /// A machine that does not answer; what makes no fault, and `lasts` out of [`LASTS`], is refused.
    pub async fn prepare(&self, fault: &Fault, place: &Place, lasts: Duration) -> Result<Injected> {
        self.planned(fault, place, lasts).await
    }

    /// Arms the timer, reads it back, and begins the fault. `Ok` is the moment from which it is there, by our clock and to
    /// a round trip: where the fault cuts the way, nobody answered any more.
    ///
    /// # Errors
    /// `Refused`: nothing is there, and no timer is left. Anything else: it may have begun; [`Self::undo`] ends it, and
    /// so does the timer. Another fault of ours on the machine is refused, with the command that ends it.
    pub async fn inject(&self, injected: &Injected) -> Result<Timestamp> {
        self.begin(injected).await
    }

    /// Ends a fault now, and reads back that it is gone; what failed because of it, the cluster forgets. Done twice, it
    /// does nothing more; what was never begun is never begun after that either.
    ///
    /// The cause goes at once. For a fault of a service it returns when the cluster has the unit back, after 90 s at most.
    ///
    /// # Errors
    /// `Unreachable` or `TimedOut`: nobody could be asked; where the fault cuts the way, the timer ends it at its deadline
    /// ([`Self::settled`] waits for that). `Unexpected`: it may still be there, and why.
    pub async fn undo(&self, injected: &Injected) -> Result<()> {
        self.end(injected).await
    }

    /// Waits until it is gone, by its timer or by anybody, and at most until `patience` after its deadline. A machine that
    /// does not answer is asked again.
    ///
    /// # Errors
    /// What was known last.
    pub async fn settled(&self, injected: &Injected, patience: Duration) -> Result<()> {
        self.wait(injected, patience).await
    }

    /// Whether it is still there, from the machine itself. [`Self::undo`] is right in every state.
    ///
    /// # Errors
    /// None today: a machine that does not answer is [`FaultState::Unknown`].
    pub async fn state(&self, injected: &Injected) -> Result<FaultState> {
        Ok(self.seen(injected).await)
    }

    /// Faults of ours on these machines that are not undone, whoever began them. A machine that does not answer is an
    /// error of its own, never an empty list.
    pub async fn leftovers(&self, places: &[Place]) -> Vec<(Place, Result<Vec<Leftover>>)> {
        let each = places.iter().map(|place| async move { (place.clone(), self.list(place).await) });
        futures_util::future::join_all(each).await
    }

    /// The machine of a place.
    fn machine(&self, place: &Place) -> Result<Machine> {
        let (access, host) = match place {
            Place::Node(node) => {
                let unknown = || ProviderError::Refused(format!("{node} is not a node that is known"));
                (&self.reach.nodes, self.reach.hosts.get(node).ok_or_else(unknown)?)
            }
            Place::Host { host, .. } => (&self.reach.others, host),
        };
        Ok(Machine { access: access.clone(), host: host.clone(), limit: self.reach.limit })
    }
}
