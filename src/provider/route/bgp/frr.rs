//! FRR, through `vtysh -d bgpd -c …` on the announcer's host.
//!
//! * A prefix is originated by a `network` statement of the default VRF, and withdrawn by `no network` in the running
//!   configuration alone: nothing is written to a file, so a restart of bgpd announces it again. The sessions stay.
//! * The statement has options (`route-map`, `label-index`, `backdoor`) which nothing remembers once it is gone: the
//!   receipt keeps its text, and only that text is ever put back.
//! * `bgp graceful-shutdown` marks everything that the daemon announces. The mark of one prefix is the route-map of its
//!   statement, changed in place: one update for the peers. The operator provides it, since it replaces the statement's
//!   own and should set what that one sets besides the community. A route-map that does not exist lets
//!   nothing through (*measured*): the mark would be a withdrawal, so it is looked for first.
//! * **vtysh ends with 0 where there is no BGP at all** and answers with a `warning` (*measured*); an absent prefix is
//!   `{}`. The difference is the difference between unknown and withdrawn.
//! * Whatever else announces the prefix (`redistribute`, `aggregate-address`) leaves a path of bgpd's own behind.
//! * bgpd does not say when it was started; its socket does.

use async_trait::async_trait;
use tokio::try_join;

use super::{
    announcer::{Look, Speaker},
    observer::{Heard, Listener},
    prefix::Prefix,
    stage::{Move, Stage},
};
use crate::{
    model::Health,
    provider::{ProviderError, Result, route::kind::Tools},
};

mod answers;
mod networks;
mod vtysh;

use answers::Path;
use networks::{Network, Writing};
use vtysh::{Started, Vtysh, words};

/// A bgpd that announces a prefix.
pub(super) struct Frr {
    vtysh: Vtysh,
    writing: Writing,
}

impl Frr {
    /// The bgpd whose socket is in `folder` on `host` (or on this machine). `graceful` is the route-map that marks.
    pub(super) fn new(
        prefix: Prefix,
        host: Option<String>,
        folder: String,
        graceful: Option<String>,
        tools: Tools,
    ) -> Self {
        Self { vtysh: Vtysh { host, folder, tools }, writing: Writing { prefix, graceful } }
    }
}

/// The answers about the prefix.
struct Answers {
    paths: Vec<Path>,
    told: usize,
    standing: usize,
    down: Vec<String>,
}

#[async_trait]
impl Speaker for Frr {
    type State = Network;

    async fn look(&self) -> Result<Look<Network>> {
        let (started, said) = try_join!(self.vtysh.started(), ask(&self.vtysh, self.writing.prefix, true))?;
        let (answers, running) = answers(&said).map_err(|why| self.vtysh.unexpected(&why))?;
        let configured = answers::configured(running, self.writing.prefix);
        let configured = configured.map_err(|why| self.vtysh.unexpected(&why))?;
        let state = Network { router: configured.router, statement: configured.statement };
        Ok(look(&self.writing, state, &started, &answers, &configured.route_maps))
    }

    fn commands(&self, now: &Network, to: &Move<'_, Network>) -> Result<Vec<String>> {
        self.writing.commands(now, to)
    }

    async fn carry_out(&self, now: &Network, commands: &[String]) -> Result<()> {
        let family = format!("address-family {} unicast", self.writing.prefix.family());
        let mut all = vec!["configure terminal", now.router.as_str(), &family];
        all.extend(commands.iter().map(String::as_str));
        let output = self.vtysh.say(&all).await?;
        match output.code {
            Some(0) => Ok(()),
            // Only the last of one command changes anything, and that one was refused.
            Some(_) if commands.len() == 1 => Err(ProviderError::Refused(words(&output))),
            _ => Err(self.vtysh.unexpected(&words(&output))),
        }
    }
}

/// Asks about the prefix and the sessions, and for the configuration too where that is wanted.
async fn ask(vtysh: &Vtysh, prefix: Prefix, configuration: bool) -> Result<String> {
    let family = prefix.family();
    let (about, sessions) =
        (format!("show bgp {family} unicast {prefix} json"), format!("show bgp {family} unicast summary json"));
    let questions = [about.as_str(), sessions.as_str(), "show running-config"];
    vtysh.ask(if configuration { &questions } else { &questions[..2] }).await
}

fn answers(said: &str) -> std::result::Result<(Answers, &str), String> {
    let ([prefix, summary], rest) = answers::documents(said)?;
    let (paths, told) = answers::paths(&prefix)?;
    let (standing, down) = answers::sessions(&summary)?;
    Ok((Answers { paths, told, standing, down }, rest))
}

fn look(writing: &Writing, state: Network, started: &Started, said: &Answers, route_maps: &[String]) -> Look<Network> {
    let stage = writing.stage(&state);
    let own = said.paths.iter().any(|p| p.own);
    let failing = |reason: String| Health::Failing { reason };
    let prefix = writing.prefix;
    let health = match stage {
        _ if said.standing == 0 => failing("no BGP session stands".into()),
        Stage::Withdrawn => Health::Unchecked,
        _ if !own => failing(format!("bgpd has no path of its own to {prefix} (is its address there?)")),
        _ if said.told == 0 => failing(format!("no session is told of {prefix}")),
        _ => Health::Unchecked,
    };
    let mut warnings = Vec::new();
    if !said.down.is_empty() {
        warnings.push(format!("BGP sessions that do not stand: {}", said.down.join(", ")));
    }
    let missing = writing.graceful.as_ref().filter(|map| !route_maps.contains(map));
    let unmarked = said.paths.iter().any(|p| p.own && !p.marked).then(|| "everybody".to_owned());
    Look {
        stage,
        foreign: (own && stage == Stage::Withdrawn).then(|| "something besides its network statement".to_owned()),
        unmarked,
        unmarkable: missing.map(|map| format!("bgpd has no route-map {map}, so the prefix cannot be marked")),
        health,
        generation: started.generation.clone(),
        version: started.since.clone(),
        warnings,
        state,
    }
}

/// A bgpd that is asked what it hears.
pub(super) struct Ear {
    prefix: Prefix,
    vtysh: Vtysh,
}

impl Ear {
    /// The bgpd whose socket is in `folder` on `host` (or on this machine).
    pub(super) fn new(prefix: Prefix, host: Option<String>, folder: String, tools: Tools) -> Self {
        Self { prefix, vtysh: Vtysh { host, folder, tools } }
    }
}

#[async_trait]
impl Listener for Ear {
    async fn hear(&self) -> Result<Heard> {
        let (started, said) = try_join!(self.vtysh.started(), ask(&self.vtysh, self.prefix, false))?;
        let (answers, _) = answers(&said).map_err(|why| self.vtysh.unexpected(&why))?;
        Ok(Heard {
            generation: started.generation,
            sessions: answers.standing,
            paths: answers.paths.into_iter().map(|p| (p.speakers, p.marked)).collect(),
        })
    }
}
