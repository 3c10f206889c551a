//! One request through the load balancer: from a client's connection to a server's, and the answer back.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::{Body, Incoming},
    client::conn::http1 as client,
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::{
    Edge,
    server::{Assigned, Upstream},
};

/// Largest request or answer that is passed on.
const MAX_BODY: usize = 1 << 20;
/// Longest wait for a server's whole answer.
const SERVER_LIMIT: Duration = Duration::from_secs(15);

/// Headers that belong to one connection and are not passed on.
const OF_THE_CONNECTION: [header::HeaderName; 4] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE];

type Answer = Response<Full<Bytes>>;

impl Edge {
    pub(super) async fn accept(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.spawn(self.clone().serve(stream)),
                // Out of file descriptors, or the client is gone already.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn serve(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| self.forward(request));
        // A client that goes away is no event.
        let _ = server::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let Ok(request) = whole(request).await else { return Ok(error(StatusCode::BAD_REQUEST)) };
        let Some(assigned) = self.with(|servers| servers.assign()) else {
            return Ok(error(StatusCode::SERVICE_UNAVAILABLE));
        };
        let mut session = Session { edge: self, server: assigned.server, done: None };
        let cut = assigned.cut.clone();
        let exchange = cut.run_until_cancelled(timeout(SERVER_LIMIT, self.exchange(assigned, request))).await;
        Ok(match exchange {
            Some(Ok(Ok((answer, connection)))) => {
                session.done = Some((answer.status().is_server_error(), connection));
                answer
            }
            Some(Ok(Err(status))) => error(status),
            Some(Err(_)) => error(StatusCode::GATEWAY_TIMEOUT),
            None => error(StatusCode::BAD_GATEWAY),
        })
    }

    /// Sends the request once. A pooled connection that turns out to be closed before anything was written is
    /// replaced by a new one to the same server; nothing else is tried again.
    async fn exchange(
        &self,
        assigned: Assigned,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Answer, Option<Upstream>), StatusCode> {
        if let Some(mut pooled) = assigned.pooled {
            match pooled.try_send_request(request).await {
                Ok(response) => return finish(response, pooled).await,
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(StatusCode::BAD_GATEWAY),
                },
            }
        }
        let stream = self.connect(assigned.address).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let (mut sender, connection) =
            client::handshake(TokioIo::new(stream)).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        // What goes wrong on it reaches the request; idle, it ends with the pool's entry or with the server.
        self.spawn(async move {
            let _ = connection.await;
        });
        let response = sender.send_request(request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        finish(response, sender).await
    }
}

/// Reads the server's whole answer, and gives its connection back where it can be used again.
async fn finish(response: Response<Incoming>, mut sender: Upstream) -> Result<(Answer, Option<Upstream>), StatusCode> {
    let (mut parts, body) = response.into_parts();
    let body = collect(body).await.map_err(|()| StatusCode::BAD_GATEWAY)?;
    strip(&mut parts.headers);
    let reusable = matches!(timeout(Duration::from_millis(100), sender.ready()).await, Ok(Ok(())));
    Ok((Response::from_parts(parts, Full::new(body)), reusable.then_some(sender)))
}

async fn whole(request: Request<Incoming>) -> Result<Request<Full<Bytes>>, ()> {
    let (mut parts, body) = request.into_parts();
    let body = collect(body).await?;
    strip(&mut parts.headers);
    Ok(Request::from_parts(parts, Full::new(body)))
}

async fn collect<B: Body<Data = Bytes, Error = hyper::Error>>(body: B) -> Result<Bytes, ()> {
    Limited::new(body, MAX_BODY).collect().await.map(|c| c.to_bytes()).map_err(|_| ())
}

fn strip(headers: &mut HeaderMap) {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
}

fn error(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// A request on a server, until it ends in whichever way: answered, failed, or left by its client.
struct Session<'a> {
    edge: &'a Edge,
    server: usize,
    /// Whether it failed, and its connection; unset it was neither answered nor given up by us.
    done: Option<(bool, Option<Upstream>)>,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let (failed, connection) = self.done.take().unwrap_or((true, None));
        self.edge.with(|servers| {
            if let Some(server) = servers.at(self.server) {
                server.end(failed, connection);
            }
        });
    }
}
