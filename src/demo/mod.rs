//! The embedded world of `tidegate demo`: real HTTP servers, real load balancers, real connections and real load,
//! all in one process on loopback, behind the same provider traits as a production cluster.
//!
//! ```text
//! load ──> edge-1, edge-2 ──> node-1, node-2, node-3      (HTTP, keep-alive, idle pools)
//!                                    │
//!                   cluster manager: standby stops units
//! ```
//!
//! A drain runs here through the same plan, gates, journal and executor as anywhere else.

use std::{
    io::IsTerminal,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;

pub mod backend;
pub mod cluster;
pub mod edge;
mod providers;
mod runs;
mod scenario;
mod screen;
mod settings;
mod stage;
#[cfg(test)]
mod tests;
mod verdict;
pub mod world;

pub use scenario::DemoError;
pub use verdict::{DemoVerdict, Mode, Shares};
pub use world::{DemoWorld, Options};

use scenario::Script;
use screen::Screen;
use stage::Stage;

/// Watch a drain lose nothing, or (naive) lose plenty.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DemoArgs {
    /// Put the node into standby without draining it first, as `pcs node standby` does
    #[arg(long)]
    pub naive: bool,
    /// Print the verdict as one line of JSON, the last line of stdout
    #[arg(long)]
    pub json: bool,
}

/// Starts the embedded world, puts load on it, takes node-2 out and brings it back, all within half a minute, and
/// gives back what that cost. What happens meanwhile is shown on stderr: moving bars on a terminal, else a line an
/// event. Dropping the future ends everything at once.
pub async fn demo(args: &DemoArgs) -> Result<DemoVerdict, DemoError> {
    let mode = if args.naive { Mode::Naive } else { Mode::Drain };
    let world = DemoWorld::start(Options::default()).await?;
    let stage = Stage::new();
    let screen = Screen::start(&world, &stage, std::io::stderr().is_terminal());
    let verdict = scenario::play(&world, mode, Script::default(), &stage).await;
    screen.end().await;
    world.shutdown();
    verdict
}

/// The status of one `GET` on a connection of its own, or in words why there is none, within `limit`.
async fn http_get(source: Option<IpAddr>, to: SocketAddr, path: &str, limit: Duration) -> Result<u16, String> {
    let exchange = async {
        let socket = TcpSocket::new_v4().map_err(|e| e.to_string())?;
        if let Some(source) = source {
            socket.bind((source, 0).into()).map_err(|e| e.to_string())?;
        }
        let stream = socket.connect(to).await.map_err(|e| e.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e: hyper::Error| e.to_string())?;
        let request = Request::get(path).header(header::HOST, to.to_string()).header(header::CONNECTION, "close");
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
        let answer = async move {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            response.into_body().collect().await.map(|_| status)
        };
        // Both in one task: nothing is left behind when the limit ends it.
        let (_, status) = tokio::join!(connection, answer);
        status.map_err(|e| e.to_string())
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(status) => status,
        Err(_) => Err(format!("no answer within {:.1} s", limit.as_secs_f64())),
    }
}
