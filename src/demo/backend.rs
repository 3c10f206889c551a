//! One node's unit: a real HTTP server that can be started and killed.
//!
//! | path | answer |
//! | --- | --- |
//! | `/` | `{"node": "node-1"}` after a few milliseconds |
//! | `/slow?ms=500`, `/slow?ms=300-800` | the same, after that long, or after some time in between |
//! | `/ready` | 200 once it is warm, 503 before |
//!
//! Stopping it is what the end of a process is: the listener and every connection go at once, whatever was in
//! progress on them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::model::{NodeName, UnitView};

/// Longest answer that `/slow` gives in to.
const MAX_SLOW: Duration = Duration::from_secs(10);

/// A unit on a node; clones are the same unit.
#[derive(Clone)]
pub struct Unit(Arc<Inner>);

struct Inner {
    node: NodeName,
    address: SocketAddr,
    warm_up: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What runs; `None` while nothing does.
    process: Option<Process>,
    failed: bool,
    peers: BTreeMap<u64, SocketAddr>,
    accepted: u64,
}

/// One life of the unit: its listener and its connections.
#[derive(Clone)]
struct Process {
    started: Instant,
    end: CancellationToken,
    tasks: TaskTracker,
}

impl Process {
    fn begin() -> Self {
        Self { started: Instant::now(), end: CancellationToken::new(), tasks: TaskTracker::new() }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.end.clone().run_until_cancelled_owned(task));
    }

    fn kill(&self) {
        self.end.cancel();
        self.tasks.close();
    }
}

impl Unit {
    /// A unit that will listen on `address`, and be ready `warm_up` after each start. It is not running yet.
    pub fn new(node: NodeName, address: SocketAddr, warm_up: Duration) -> Self {
        Self(Arc::new(Inner { node, address, warm_up, state: Mutex::default() }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Starts it; already running is fine. Fails where its port is taken, and the unit is `failed` then.
    pub async fn start(&self) -> std::io::Result<()> {
        if self.with(|s| s.process.is_some()) {
            return Ok(());
        }
        let listener = match TcpListener::bind(self.0.address).await {
            Ok(listener) => listener,
            Err(error) => {
                self.with(|s| s.failed = true);
                return Err(error);
            }
        };
        let process = Process::begin();
        self.with(|s| (s.process, s.failed) = (Some(process.clone()), false));
        process.spawn(self.clone().accept(listener, process.clone()));
        Ok(())
    }

    /// Kills it, with all its connections, and waits until they are gone; not running is fine.
    pub async fn stop(&self) {
        let Some(process) = self.with(|s| s.process.clone()) else { return };
        process.kill();
        process.tasks.wait().await;
        // Unless somebody else has stopped and started it meanwhile.
        self.with(|s| s.process.take_if(|p| p.started == process.started));
    }

    /// The same without waiting, for the end of the whole world.
    pub fn kill(&self) {
        if let Some(process) = self.with(|s| s.process.take()) {
            process.kill();
        }
    }

    /// What systemd would say of it.
    pub fn view(&self) -> UnitView {
        let (active, sub) = self.with(|s| match (&s.process, s.failed) {
            (Some(process), _) if process.end.is_cancelled() => ("deactivating", "stop-sigkill"),
            (Some(_), _) => ("active", "running"),
            (None, true) => ("failed", "failed"),
            (None, false) => ("inactive", "dead"),
        });
        UnitView { active: active.into(), sub: sub.into(), file_state: "disabled".into() }
    }

    /// The far ends of its established connections.
    pub fn peers(&self) -> Vec<SocketAddr> {
        self.with(|s| s.peers.values().copied().collect())
    }

    async fn accept(self, listener: TcpListener, process: Process) {
        // An accept that fails (out of file descriptors) is tried again a little later.
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let open = Open::new(&self, peer);
                    process.spawn(self.clone().serve(stream, process.started, open));
                }
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn serve(self, stream: TcpStream, started: Instant, open: Open) {
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| self.answer(request, started));
        // A client that goes away is no event.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        drop(open);
    }

    async fn answer(&self, request: Request<Incoming>, started: Instant) -> Result<Response<Full<Bytes>>, Infallible> {
        let status = match request.uri().path() {
            "/ready" if started.elapsed() < self.0.warm_up => StatusCode::SERVICE_UNAVAILABLE,
            "/ready" => StatusCode::OK,
            "/slow" => {
                sleep(slowness(request.uri().query())).await;
                StatusCode::OK
            }
            "/" => {
                sleep(Duration::from_millis(fastrand::u64(1..=4))).await;
                StatusCode::OK
            }
            _ => StatusCode::NOT_FOUND,
        };
        let body = serde_json::json!({ "node": self.0.node }).to_string();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        Ok(response)
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn slowness(query: Option<&str>) -> Duration {
    let asked = query.and_then(|q| q.split('&').find_map(|p| p.strip_prefix("ms="))).unwrap_or("300");
    let (least, most) = asked.split_once('-').unwrap_or((asked, asked));
    let least = least.parse().unwrap_or(300);
    let most = most.parse().unwrap_or(least).max(least);
    Duration::from_millis(fastrand::u64(least..=most)).min(MAX_SLOW)
}

/// An established connection, for as long as it lives.
struct Open {
    unit: Unit,
    number: u64,
}

impl Open {
    fn new(unit: &Unit, peer: SocketAddr) -> Self {
        let number = unit.with(|s| {
            s.accepted += 1;
            s.peers.insert(s.accepted, peer);
            s.accepted
        });
        Self { unit: unit.clone(), number }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.unit.with(|s| s.peers.remove(&self.number));
    }
}
