//! Carrying out a change: read, plan, update, and again where another hand was faster with something that is not ours.

use hickory_proto::rr::TSigner;

use super::{
    Dns, change,
    change::Change,
    exchange::{self, Line},
    lock,
    message::{self, Reading},
    servers::Server,
    set::{Entry, RrSet},
    verdict::{self, Verdict},
};
use crate::{
    model::Desired,
    provider::{Clock, ProviderError, Result, SystemClock},
};

/// Updates that are tried while other hands change the zone in between.
const TRIES: usize = 5;

/// What became of an update at one server.
enum Outcome {
    /// The set is as planned.
    Done,
    /// Nothing was changed there; the next server may be the primary.
    Elsewhere(ProviderError),
}

impl Dns {
    /// Sets one member's records, at the first server that takes updates.
    pub(super) async fn change_member(&self, entry: &Entry, desired: &Desired) -> Result<()> {
        let kind = self.settings.kind;
        let plan = |set: &RrSet| change::towards(set, kind, entry, desired, self.settings.ttl);
        self.update(Some(entry), plan).await
    }

    /// The TTL of the set, as the first server that answers has it.
    ///
    /// # Errors
    /// `Refused` where there is no record.
    pub async fn ttl(&self) -> Result<u32> {
        let mut failed = None;
        for server in &self.settings.servers {
            let read = async { self.read(&mut self.line(server).await?).await };
            match read.await {
                Ok(reading) => {
                    let none = || ProviderError::Refused(format!("{} has no {} record", self.name, self.settings.kind));
                    return reading.set.ttl.ok_or_else(none);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| ProviderError::Refused("no server is configured".into())))
    }

    /// Sets the TTL of the whole set, in seconds. It must be `from` (or `to` already, and then nothing is done), or the
    /// change is refused: so the end of a window puts back what its beginning changed, and nothing else.
    pub async fn set_ttl(&self, from: u32, to: u32) -> Result<()> {
        self.update(None, |set: &RrSet| change::retimed(set, from, to)).await
    }

    async fn update(
        &self,
        ours: Option<&Entry>,
        plan: impl Fn(&RrSet) -> std::result::Result<Option<Change>, String> + Sync,
    ) -> Result<()> {
        let key = self.key().await.map_err(ProviderError::Refused)?;
        let mut failed: Vec<ProviderError> = Vec::new();
        for server in &self.settings.servers {
            match self.update_at(server, ours, &plan, &key).await? {
                Outcome::Done => return Ok(()),
                Outcome::Elsewhere(error) => failed.push(error),
            }
        }
        let all = failed.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        // Nothing was changed anywhere. Where nobody refused, the primary may only be out of reach.
        let refused = failed.iter().any(|error| matches!(error, ProviderError::Refused(_)));
        Err(if refused { ProviderError::Refused(all) } else { ProviderError::Unreachable(all) })
    }

    async fn update_at(
        &self,
        server: &Server,
        ours: Option<&Entry>,
        plan: &(impl Fn(&RrSet) -> std::result::Result<Option<Change>, String> + Sync),
        key: &TSigner,
    ) -> Result<Outcome> {
        let elsewhere = |error: ProviderError| Ok(Outcome::Elsewhere(error));
        let mut line = match self.line(server).await {
            Ok(line) => line,
            Err(error) => return elsewhere(error),
        };
        let mut now = match self.read(&mut line).await {
            Ok(now) => now,
            Err(error) => return elsewhere(error),
        };
        let mut guard_serial = true;
        for _ in 0..TRIES {
            let Some(change) = plan(&now.set).map_err(|why| self.refusal(&line, why))? else {
                return Ok(Outcome::Done);
            };
            self.unchanged_since_seen(ours, &now).map_err(|why| self.refusal(&line, why))?;
            match self.send(&mut line, ours, &now, &change, key, guard_serial).await? {
                Verdict::Done => return Ok(Outcome::Done),
                Verdict::Refused(why) => return Err(self.refusal(&line, why)),
                Verdict::NotPrimary(why) => return elsewhere(self.refusal(&line, why)),
                Verdict::Unknown(why) => {
                    return Err(ProviderError::Unexpected(format!("{}: {why}", line.server())));
                }
                Verdict::Changed => {}
            }
            // Refused by the server, so nothing changed; what is read now tells what was in the way.
            let then = self.read(&mut line).await.map_err(|error| self.refusal(&line, error.to_string()))?;
            if then == now {
                if !guard_serial {
                    return Err(self.refusal(&line, self.not_its_own(&now)));
                }
                guard_serial = false;
            }
            if let Some(entry) = ours.filter(|entry| self.receipt(entry, &now) != self.receipt(entry, &then)) {
                let seen = change::differences(&now.set, &then.set);
                return Err(self.refusal(&line, changed_by_another(entry, &seen)));
            }
            now = then;
        }
        Err(self.refusal(&line, format!("the zone changed {TRIES} times in a row between a look and an update")))
    }

    async fn send(
        &self,
        line: &mut Line,
        ours: Option<&Entry>,
        now: &Reading,
        change: &Change,
        key: &TSigner,
        guard_serial: bool,
    ) -> Result<Verdict> {
        let unsent = |why: String| ProviderError::Refused(format!("the update cannot be signed: {why}"));
        let mut message = message::update(&self.zone, &self.name, self.settings.kind, now, change, guard_serial);
        let time = u64::try_from(SystemClock.now().as_second()).map_err(|error| unsent(error.to_string()))?;
        let verifier = message.finalize(key, time).map_err(|error| unsent(error.to_string()))?;
        let verifier = verifier.ok_or_else(|| unsent("there is nothing to verify the answer with".into()))?;
        let bytes = exchange::encoded(&message)?;
        // From here on the outcome is open, and what was seen before is no measure any more.
        match ours {
            Some(entry) => drop(lock(&self.seen).remove(entry.node.as_str())),
            None => lock(&self.seen).clear(),
        }
        let answer = line.ask(&bytes).await?;
        Ok(verdict::verdict(&message, &answer, key, verifier))
    }

    /// Whether our member is still as the run saw it last: its receipt was made of that.
    fn unchanged_since_seen(&self, ours: Option<&Entry>, now: &Reading) -> std::result::Result<(), String> {
        let Some(entry) = ours else { return Ok(()) };
        let before = lock(&self.seen).get(entry.node.as_str()).cloned();
        match before {
            Some(before) if before != self.receipt(entry, now) => {
                // The next look is the measure for the next try.
                let seen = format!("it was {before}, and is {}", self.receipt(entry, now));
                Err(changed_by_another(entry, &seen))
            }
            _ => Ok(()),
        }
    }

    fn receipt(&self, entry: &Entry, reading: &Reading) -> super::Receipt {
        reading.set.receipt(self.settings.kind, entry)
    }

    fn refusal(&self, line: &Line, why: String) -> ProviderError {
        ProviderError::Refused(format!("{}: {why}", line.server()))
    }

    fn not_its_own(&self, now: &Reading) -> String {
        format!(
            "it answers for {} with {}, and says that it does not hold that: is the answer made by a wildcard, or by \
             rules of the server?",
            self.name,
            now.set.shown()
        )
    }
}

fn changed_by_another(entry: &Entry, seen: &str) -> String {
    format!(
        "the record of {} was changed by another hand in this moment: {seen}. Nothing was written over it",
        entry.node
    )
}
