//! One session of a router with a node that is lost: closed and opened again, from the note before to the note after.
//!
//! It is looked at first. A session that is closed already was closed by another hand, and is left to that hand: neither
//! closed again nor opened. Whatever was noted before a coordinator died is looked at again by the next.

use super::hand::{Changed, Hand};
use crate::{
    daemon::metrics::Guarded,
    journal::Note,
    model::{Desired, Exact, NodeName, RouteTarget, Session},
    provider::{ProviderError, Result},
};

impl Hand {
    pub(super) async fn close_session(&self, target: RouteTarget, node: NodeName, why: String) -> Changed {
        let member = self.look(&target).await.map_err(|e| e.to_string())?;
        let session = self.session(&target).await.map_err(|e| e.to_string())?;
        if !session.open {
            // Closed, and the path still shows somewhere: where this was the guard's own doing, it is awaited.
            let withdrawn = self.notebook.withdrawn().await.map_err(|e| e.to_string())?;
            if !session.ours || !withdrawn.contains_key(&target) {
                return Ok(Guarded::Yielded);
            }
        } else if !member.takes_clients() {
            return Ok(Guarded::Needless);
        } else if self.is_in_hand(&node).await? {
            return Ok(Guarded::Yielded);
        } else {
            self.note(Note::Withdrawing { target: target.clone(), node, before: session.exact, why }).await?;
            match self.set_session(&target, &Desired::Drained).await {
                Err(error @ ProviderError::Refused(_)) => {
                    self.note(Note::Refused { target, error: error.to_string() }).await?;
                    return Err(error.to_string());
                }
                // The outcome is unknown: what is seen tells.
                Err(error) => tracing::warn!("{} ({}): {error}", target.instance, target.route),
                Ok(()) => {}
            }
        }
        self.until_gone(&target).await?;
        self.note(Note::Withdrawn { target }).await?;
        Ok(Guarded::TookOut)
    }

    /// What is put back is what the session was before it was closed: open. Nothing but a look at the session itself is
    /// needed for it, since the router may have no path and no other session.
    pub(super) async fn open_session(&self, target: RouteTarget, before: Exact) -> Changed {
        let session = self.session(&target).await.map_err(|e| e.to_string())?;
        if session.open {
            self.note(Note::Returned { target }).await?;
            return Ok(Guarded::PutBack);
        }
        if !session.ours {
            let RouteTarget { route, instance, server, .. } = &target;
            tracing::warn!("{instance} ({route}): another hand closed the session with {server}, and it stays so");
            self.note(Note::Returned { target }).await?;
            return Ok(Guarded::Yielded);
        }
        self.note(Note::Returning { target: target.clone() }).await?;
        if let Err(error) = self.set_session(&target, &Desired::Exactly { exact: before.clone() }).await {
            tracing::warn!("{} ({}): {error}", target.instance, target.route);
        }
        self.within(|| async {
            let is_so = self.session(&target).await.map_err(|e| e.to_string())?.exact == before;
            if is_so { Ok(()) } else { Err("the session is not seen to be open".to_owned()) }
        })
        .await?;
        self.note(Note::Returned { target }).await?;
        Ok(Guarded::PutBack)
    }

    /// Until no instance that follows shows the path, the one whose session was closed among them.
    async fn until_gone(&self, target: &RouteTarget) -> std::result::Result<(), String> {
        self.within(|| async {
            for follower in &self.followers {
                let member = self.look_at(target, follower).await.map_err(|e| format!("{follower}: {e}"))?;
                if member.takes_clients() {
                    return Err(format!("{follower} still shows a path"));
                }
            }
            Ok(())
        })
        .await
    }

    async fn session(&self, target: &RouteTarget) -> Result<Session> {
        self.in_time(self.route(target)?.session(&target.instance, &target.server)).await
    }

    async fn set_session(&self, target: &RouteTarget, desired: &Desired) -> Result<()> {
        self.in_time(self.route(target)?.set_session(&target.instance, &target.server, desired)).await
    }
}

#[cfg(test)]
mod tests;
