//! The embedded world of `tidegate demo`: real HTTP servers, real load balancers, real connections and real load,
//! all in one process on loopback, behind the same provider traits as a production cluster.
//!
//!     load ──> edge-1, edge-2 ──> node-1, node-2, node-3      (HTTP, keep-alive, idle pools)
//!                                        │
//!                       cluster manager: standby stops units
//!
//! A drain runs here through the same plan, gates, journal and executor as anywhere else.

use std::{
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
#[cfg(test)]
mod tests;
pub mod world;

pub use world::{DemoWorld, Options};

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
