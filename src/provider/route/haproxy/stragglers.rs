//! The sessions of one server across the current worker and the old ones, and the way to cut exactly one of them.
//!
//! The list costs HAProxy a line for every session that it has, so it is asked for seldom (the run sees to that), and
//! the bytes, which take a question a session, only of the oldest.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::{
    Haproxy, Instance, explained,
    parse::{self, first_words},
    sessions::{self, Name, Session},
};
use crate::{
    config::settings::Endpoint,
    model::{Straggler, Stragglers},
    provider::{ProviderError, Result},
};

/// Sessions whose bytes are asked for.
const DETAILED: usize = 32;
/// Questions on one line, each answered with about a kilobyte.
const QUESTIONS_A_LINE: usize = 16;
/// What HAProxy says where a session ended before it could be cut.
const NO_SUCH: &str = "No such session";

impl Haproxy {
    pub(super) async fn list(&self, instance: &Instance, server: &str) -> Result<Stragglers> {
        self.member(server)?;
        let (answer, (_, old)) =
            tokio::try_join!(self.ask(&instance.socket, "show info;show sess"), self.old_workers(instance))?;
        let mut found = self.read(&answer, process(&answer)?, instance, server)?;
        let answers = try_join_all(old.iter().map(|pid| self.ask_old(instance, *pid, "show sess"))).await?;
        for (pid, answer) in old.iter().zip(answers) {
            found.extend(self.read(&answer.unwrap_or_default(), *pid, instance, server)?);
        }
        let mut stragglers = Stragglers::of(found);
        let current = process(&answer)?;
        self.add_bytes(instance, current, &mut stragglers.oldest).await?;
        Ok(stragglers)
    }

    fn read(&self, answer: &str, pid: u64, instance: &Instance, server: &str) -> Result<Vec<Straggler>> {
        let found: Vec<Session> =
            sessions::sessions(answer, &self.backend, server).map_err(ProviderError::Unexpected)?;
        Ok(found.iter().map(|session| session.straggler(pid, &instance.name)).collect())
    }

    /// Fills in what the oldest moved. One that ended meanwhile keeps its place: the next list will tell.
    async fn add_bytes(&self, instance: &Instance, current: u64, stragglers: &mut [Straggler]) -> Result<()> {
        let mut by_process: BTreeMap<u64, Vec<(String, &mut Straggler)>> = BTreeMap::new();
        for straggler in stragglers.iter_mut().take(DETAILED) {
            let Some(name) = Name::parse(&straggler.id) else { continue };
            by_process.entry(name.pid).or_default().push((name.pointer, straggler));
        }
        for (pid, mut some) in by_process {
            for part in some.chunks_mut(QUESTIONS_A_LINE) {
                let questions: Vec<String> = part.iter().map(|(pointer, _)| format!("show sess {pointer}")).collect();
                let answer = self.ask_worker(instance, current, pid, &questions).await?.unwrap_or_default();
                for (id, description) in sessions::descriptions(&answer) {
                    let moved = sessions::moved(&description);
                    let same = part.iter_mut().filter(|(pointer, _)| pointer == id);
                    same.for_each(|(_, s)| (s.received, s.sent) = (moved.received, moved.sent));
                }
            }
        }
        Ok(())
    }

    /// Asks one worker several things at once; `None` where it ended.
    async fn ask_worker(
        &self,
        instance: &Instance,
        current: u64,
        pid: u64,
        commands: &[String],
    ) -> Result<Option<String>> {
        if pid == current {
            return self.ask(&instance.socket, &commands.join(";")).await.map(Some);
        }
        self.ask_old(instance, pid, &commands.join(&format!(";@!{pid} "))).await
    }

    pub(super) async fn cut(&self, instance: &Instance, server: &str, id: &str) -> Result<()> {
        self.member(server)?;
        let name = Name::parse(id).ok_or_else(|| ProviderError::Refused(format!("{id:?} is no name of a session")))?;
        let current = self.current(&instance.socket).await?;
        if name.pid != current && !self.old_workers(instance).await?.1.contains(&name.pid) {
            return Ok(());
        }
        let question = format!("show sess {}", name.pointer);
        let answer = self.ask_worker(instance, current, name.pid, &[question]).await?.unwrap_or_default();
        let is_it = |(_, lines): &(&str, Vec<&str>)| sessions::is_of(lines, &name, &self.backend, server);
        if !sessions::descriptions(&answer).iter().any(is_it) {
            return Ok(());
        }
        let order = format!("shutdown session {}", name.pointer);
        let said = self.ask_worker(instance, current, name.pid, &[order]).await?.unwrap_or_default();
        match said.trim() {
            "" => Ok(()),
            gone if gone.starts_with(NO_SUCH) => Ok(()),
            why => Err(ProviderError::Refused(explained(why))),
        }
    }

    async fn current(&self, socket: &Endpoint) -> Result<u64> {
        process(&self.ask(socket, "show info").await?)
    }
}

/// The process that answered.
fn process(answer: &str) -> Result<u64> {
    parse::pid(answer)
        .ok_or_else(|| ProviderError::Unexpected(format!("'show info' names no Pid: {}", first_words(answer))))
}
