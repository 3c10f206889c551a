//! A fake systemd, a real D-Bus interface over a socket pair, answers as the real one does in its worst moods.

use std::{
    os::unix::net::UnixStream,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use zbus::{ObjectPath, fdo, object_server::SignalEmitter};

use super::*;
use crate::provider::access::{Output, Stream};

const LIMIT: Duration = Duration::from_secs(2);
const UNIT_PATH: &str = "/org/freedesktop/systemd1/unit/app_2eservice";
const JOB_PATH: &str = "/org/freedesktop/systemd1/job/7";

/// How a job goes.
#[derive(Clone, Copy)]
enum Mood {
    /// The end is told before the reply that names the job, after this many ends of others.
    EndsBeforeReply { others: u32 },
    /// The end is told 20 ms after the reply.
    EndsLater(&'static str),
    /// Nothing ever ends.
    Hangs,
    /// systemd says no.
    Denies,
    /// The connection breaks after the reply.
    Breaks,
}

/// The unit's file and state.
#[derive(Clone)]
struct State {
    load: &'static str,
    active: &'static str,
    calls: u32,
}

type Shared = Arc<Mutex<State>>;

fn state(shared: &Shared) -> State {
    shared.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set(shared: &Shared, change: impl FnOnce(&mut State)) {
    change(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
}

struct FakeManager {
    shared: Shared,
    mood: Mood,
    subscribed: bool,
}

struct FakeUnit(Shared);

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl FakeUnit {
    #[zbus(property)]
    fn load_state(&self) -> String {
        state(&self.0).load.into()
    }

    #[zbus(property)]
    fn active_state(&self) -> String {
        state(&self.0).active.into()
    }

    #[zbus(property)]
    fn sub_state(&self) -> String {
        "dead-or-running".into()
    }

    #[zbus(property)]
    fn unit_file_state(&self) -> String {
        "disabled".into()
    }
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl FakeManager {
    fn subscribe(&mut self) {
        self.subscribed = true;
    }

    fn load_unit(&self, _name: &str) -> OwnedObjectPath {
        path(UNIT_PATH)
    }

    async fn stop_unit(
        &self,
        name: &str,
        mode: &str,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> fdo::Result<OwnedObjectPath> {
        self.queue((name, mode), "inactive", emitter, connection).await
    }

    async fn start_unit(
        &self,
        name: &str,
        mode: &str,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> fdo::Result<OwnedObjectPath> {
        self.queue((name, mode), "active", emitter, connection).await
    }

    #[zbus(signal)]
    async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        job: ObjectPath<'_>,
        unit: &str,
        result: &str,
    ) -> zbus::Result<()>;
}

impl FakeManager {
    async fn queue(
        &self,
        call: (&str, &str),
        becomes: &'static str,
        emitter: SignalEmitter<'_>,
        connection: &zbus::Connection,
    ) -> fdo::Result<OwnedObjectPath> {
        assert_eq!(call, ("app.service", "replace"));
        // As the real one: without a subscription nobody hears of a job's end.
        assert!(self.subscribed, "a job was queued before the subscription");
        set(&self.shared, |s| s.calls += 1);
        match self.mood {
            Mood::EndsBeforeReply { others } => {
                for id in 100..100 + others {
                    let other = path(&format!("/org/freedesktop/systemd1/job/{id}"));
                    Self::job_removed(&emitter, id, other.into(), "other.service", "failed").await?;
                }
                set(&self.shared, |s| s.active = becomes);
                Self::job_removed(&emitter, 7, path(JOB_PATH).into(), "app.service", "done").await?;
            }
            Mood::EndsLater(result) => {
                let (shared, emitter) = (Arc::clone(&self.shared), emitter.into_owned());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    set(&shared, |s| s.active = if result == "done" { becomes } else { "failed" });
                    let other = path("/org/freedesktop/systemd1/job/8");
                    Self::job_removed(&emitter, 8, other.into(), "other.service", "done").await?;
                    Self::job_removed(&emitter, 7, path(JOB_PATH).into(), "app.service", result).await
                });
            }
            Mood::Hangs => {}
            Mood::Denies => return Err(fdo::Error::AccessDenied("not for you".into())),
            Mood::Breaks => {
                let connection = connection.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    connection.close().await
                });
            }
        }
        Ok(path(JOB_PATH))
    }
}

fn path(text: &str) -> OwnedObjectPath {
    OwnedObjectPath::try_from(text).expect("a valid path")
}

struct BusOnly(zbus::Connection);

#[async_trait]
impl Access for BusOnly {
    async fn run(&self, _host: &str, _argv: &[&str], _limit: Duration) -> Result<Output> {
        Err(ProviderError::Unreachable("no commands here".into()))
    }

    async fn connect_unix(&self, _host: &str, _path: &Path) -> Result<Box<dyn Stream>> {
        Err(ProviderError::Unreachable("no sockets here".into()))
    }

    async fn system_bus(&self, host: &str) -> Result<zbus::Connection> {
        assert_eq!(host, "host-of-node-1");
        Ok(self.0.clone())
    }
}

/// The provider, what the fake knows, and the fake's connection, which must live.
async fn systemd(load: &'static str, active: &'static str, mood: Mood) -> (Systemd, Shared, zbus::Connection) {
    let shared: Shared = Arc::new(Mutex::new(State { load, active, calls: 0 }));
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let server = zbus::connection::Builder::unix_stream(theirs)
        .server(zbus::Guid::generate())
        .p2p()
        .serve_at("/org/freedesktop/systemd1", FakeManager { shared: Arc::clone(&shared), mood, subscribed: false })
        .serve_at(UNIT_PATH, FakeUnit(Arc::clone(&shared)));
    let client = zbus::connection::Builder::unix_stream(ours).p2p();
    let (server, client) = tokio::try_join!(server.build(), client.build()).expect("a connection");
    let hosts = BTreeMap::from([(NodeName::new("node-1"), "host-of-node-1".to_owned())]);
    (Systemd::new(Arc::new(BusOnly(client)), hosts, LIMIT), shared, server)
}

fn app() -> (NodeName, UnitName) {
    (NodeName::new("node-1"), UnitName::new("app.service"))
}

#[tokio::test]
async fn a_unit_reads_as_systemd_has_it_at_that_moment() {
    let (systemd, shared, _server) = systemd("loaded", "active", Mood::Hangs).await;
    let (node, unit) = app();
    let seen = systemd.observe(&node, &unit).await.expect("a unit");
    assert_eq!((seen.active.as_str(), seen.file_state.as_str()), ("active", "disabled"));
    set(&shared, |s| s.active = "deactivating");
    let seen = systemd.observe(&node, &unit).await.expect("a unit");
    assert_eq!(seen.active, "deactivating", "a cached state");
}

#[tokio::test]
async fn a_unit_that_does_not_exist_is_no_stopped_unit() {
    let (systemd, shared, _server) = systemd("not-found", "inactive", Mood::Hangs).await;
    let (node, unit) = app();
    let missing = ProviderError::Refused("there is no unit app.service on node-1".into());
    assert_eq!(systemd.observe(&node, &unit).await, Err(missing.clone()));
    assert_eq!(systemd.stop(&node, &unit).await, Err(missing.clone()));
    assert_eq!(systemd.start(&node, &unit).await, Err(missing));
    assert_eq!(state(&shared).calls, 0);
}

#[tokio::test]
async fn a_unit_that_runs_without_its_file_is_seen_and_can_be_stopped() {
    let (systemd, _shared, _server) = systemd("not-found", "active", Mood::EndsLater("done")).await;
    let (node, unit) = app();
    assert!(systemd.observe(&node, &unit).await.expect("a unit").is_active());
    assert_eq!(systemd.stop(&node, &unit).await, Ok(()));
}

#[tokio::test]
async fn what_is_so_already_queues_nothing() {
    let (node, unit) = app();
    let (stopped, stopped_state, _server) = systemd("loaded", "inactive", Mood::Hangs).await;
    assert_eq!(stopped.stop(&node, &unit).await, Ok(()));
    let (failed, failed_state, _server2) = systemd("loaded", "failed", Mood::Hangs).await;
    assert_eq!(failed.stop(&node, &unit).await, Ok(()));
    let (running, running_state, _server3) = systemd("loaded", "active", Mood::Hangs).await;
    assert_eq!(running.start(&node, &unit).await, Ok(()));
    for shared in [stopped_state, failed_state, running_state] {
        assert_eq!(state(&shared).calls, 0);
    }
}

#[tokio::test]
async fn a_masked_unit_cannot_be_started() {
    let (systemd, shared, _server) = systemd("masked", "inactive", Mood::EndsLater("done")).await;
    let (node, unit) = app();
    let refused = systemd.start(&node, &unit).await;
    assert_eq!(refused, Err(ProviderError::Refused("start app.service on node-1: the unit's file is masked".into())));
    assert_eq!(state(&shared).calls, 0);
}

#[tokio::test]
async fn stop_and_start_wait_for_the_end_of_their_own_job() {
    let (systemd, shared, _server) = systemd("loaded", "active", Mood::EndsLater("done")).await;
    let (node, unit) = app();
    assert_eq!(systemd.stop(&node, &unit).await, Ok(()));
    assert_eq!((state(&shared).active, state(&shared).calls), ("inactive", 1));
    assert_eq!(systemd.start(&node, &unit).await, Ok(()));
    assert_eq!((state(&shared).active, state(&shared).calls), ("active", 2));
}

#[tokio::test]
async fn an_end_that_comes_before_the_reply_is_not_missed() {
    // More ends than zbus queues for a stream: they must be taken while the reply is on its way.
    for others in [0, 300] {
        let (systemd, shared, _server) = systemd("loaded", "active", Mood::EndsBeforeReply { others }).await;
        let (node, unit) = app();
        let began = Instant::now();
        assert_eq!(systemd.stop(&node, &unit).await, Ok(()), "after {others} other jobs");
        assert!(began.elapsed() < LIMIT);
        assert_eq!(state(&shared).active, "inactive");
    }
}

#[tokio::test]
async fn a_job_that_fails_says_how_and_what_the_unit_is_now() {
    let (systemd, _shared, _server) = systemd("loaded", "active", Mood::EndsLater("failed")).await;
    let (node, unit) = app();
    let said = "stop app.service on node-1: the job ended as 'failed', and the unit is failed (dead-or-running)";
    assert_eq!(systemd.stop(&node, &unit).await, Err(ProviderError::Unexpected(said.into())));
}

#[tokio::test]
async fn a_job_that_never_ran_is_a_refusal() {
    let (systemd, _shared, _server) = systemd("loaded", "inactive", Mood::EndsLater("dependency")).await;
    let (node, unit) = app();
    let refused = systemd.start(&node, &unit).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(why)) if why.contains("'dependency'")), "{refused:?}");
}

#[tokio::test]
async fn a_hanging_job_ends_the_wait_at_its_limit() {
    let (systemd, shared, _server) = systemd("loaded", "active", Mood::Hangs).await;
    let systemd = systemd.jobs_within(Duration::from_millis(100));
    let (node, unit) = app();
    let ended = tokio::time::timeout(LIMIT, systemd.stop(&node, &unit)).await;
    assert_eq!(ended, Ok(Err(ProviderError::TimedOut(Duration::from_millis(100)))));
    assert_eq!(state(&shared).calls, 1);
}

#[tokio::test]
async fn a_denied_call_changed_nothing() {
    let (systemd, _shared, _server) = systemd("loaded", "active", Mood::Denies).await;
    let (node, unit) = app();
    let said = "stop app.service on node-1: not for you".into();
    assert_eq!(systemd.stop(&node, &unit).await, Err(ProviderError::Refused(said)));
}

#[tokio::test]
async fn a_connection_that_breaks_during_a_job_leaves_its_outcome_unknown() {
    let (systemd, _shared, _server) = systemd("loaded", "active", Mood::Breaks).await;
    let (node, unit) = app();
    let ended = tokio::time::timeout(LIMIT, systemd.stop(&node, &unit)).await.expect("no wait for the dead");
    assert!(
        matches!(&ended, Err(ProviderError::Unexpected(why)) if why.contains("connection broke") || why.contains("unknown")),
        "{ended:?}"
    );
    let seen = systemd.observe(&node, &unit).await;
    assert!(matches!(seen, Err(ProviderError::Unreachable(_))), "{seen:?}");
}

#[tokio::test]
async fn an_unknown_node_is_not_asked() {
    let (systemd, _shared, _server) = systemd("loaded", "active", Mood::Hangs).await;
    let seen = systemd.observe(&NodeName::new("node-9"), &app().1).await;
    assert!(matches!(seen, Err(ProviderError::Unreachable(_))), "{seen:?}");
}
