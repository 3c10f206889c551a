//! `GET` over HTTP/2, and what gRPC needs of it: one stream on a connection of its own. Connection and stream are driven
//! by the same future, so neither is left behind.

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, client};
use http::{HeaderMap, Request, Response, Version, header};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Failure, Kind,
    expect::{headers, judge},
};
use crate::config::expect::Expect;

/// Bytes of an answer's headers.
const MAX_HEADERS: u32 = 16 << 10;
/// Bytes of a body that are read.
const MAX_BODY: usize = 64 << 10;

/// A request, and what is expected as its answer.
#[derive(Clone, Debug)]
pub struct Get2 {
    request: Request<()>,
    expect: Expect,
}

impl Get2 {
    /// `GET path` of this authority.
    pub(super) fn new(path: &str, host: &str, tls: bool, expect: Expect) -> Result<Self, Failure> {
        let request = request("GET", path, host, tls).body(());
        let request =
            request.map_err(|e| Failure::new(Kind::Protocol, format!("cannot ask for {path} of {host}: {e}")))?;
        Ok(Self { request, expect })
    }

    pub(super) async fn ask(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Failure> {
        let answer = exchange(stream, self.request.clone(), None).await?;
        let seen = headers(&self.expect, |name| answer.headers.get_all(name).iter().map(|v| v.as_bytes()));
        judge(&self.expect, answer.status, seen, || answer.body.to_vec())
    }
}

/// The beginning of a request.
pub(super) fn request(method: &str, path: &str, host: &str, tls: bool) -> http::request::Builder {
    let scheme = if tls { "https" } else { "http" };
    Request::builder()
        .method(method)
        .version(Version::HTTP_2)
        .uri(format!("{scheme}://{host}{path}"))
        .header(header::USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION")))
}

/// A whole answer; its body as far as it was read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

/// One request and its answer.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<()>,
    body: Option<Bytes>,
) -> Result<Answer, Failure> {
    let mut builder = client::Builder::new();
    builder.enable_push(false).max_header_list_size(MAX_HEADERS).initial_max_send_streams(1);
    let (sender, connection) = builder.handshake::<_, Bytes>(stream).await.map_err(|e| broke(&e))?;
    let exchange = async {
        let mut sender = sender.ready().await.map_err(|e| broke(&e))?;
        let (response, mut upload) = sender.send_request(request, body.is_none()).map_err(|e| broke(&e))?;
        if let Some(body) = body {
            upload.send_data(body, true).map_err(|e| broke(&e))?;
        }
        read(response.await.map_err(|e| broke(&e))?).await
    };
    let (mut exchange, mut connection) = (std::pin::pin!(exchange), std::pin::pin!(connection));
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // What has arrived by then may be the whole answer.
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(broke(&error)),
        },
    }
}

async fn read(response: Response<RecvStream>) -> Result<Answer, Failure> {
    let (head, mut stream) = response.into_parts();
    let mut body = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(|e| broke(&e))?;
        let _ = stream.flow_control().release_capacity(data.len());
        body.extend_from_slice(&data);
        if body.len() >= MAX_BODY {
            let (headers, body) = (head.headers, body.freeze());
            return Ok(Answer { status: head.status.as_u16(), headers, body, trailers: HeaderMap::new() });
        }
    }
    let trailers = stream.trailers().await.map_err(|e| broke(&e))?.unwrap_or_default();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.freeze(), trailers })
}

fn broke(error: &h2::Error) -> Failure {
    if error.is_io() {
        return Failure::new(Kind::Closed, format!("the connection broke: {error}"));
    }
    Failure::new(Kind::Protocol, format!("no HTTP/2: {error}"))
}
