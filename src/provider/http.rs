//! One question over HTTP, on a connection of its own: small, bounded, without redirects or retries. For Prometheus,
//! webhooks and pages that a playbook waits for; the probes have their own.

use std::{
    path::PathBuf,
    pin::pin,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, StatusCode, header, request::Builder};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{ProviderError, Result};
use crate::{
    config::{prometheus::Url, ready},
    health::probe::Tls,
};

/// Bytes of an answer; more is none.
pub const MAX_ANSWER: usize = 8 << 20;

/// One server.
pub struct Web {
    url: Url,
    ca_file: Option<PathBuf>,
    /// Made at the first question over TLS: the system's authorities take a moment to read.
    tls: OnceLock<std::result::Result<Arc<Tls>, String>>,
}

impl Web {
    /// Nothing is connected or read yet. The authorities are the system's where no file is named.
    pub fn new(url: Url, ca_file: Option<PathBuf>) -> Self {
        Self { url, ca_file, tls: OnceLock::new() }
    }

    /// Where it is.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Completes a request that has a method and a path, and sends it. The caller bounds its time.
    pub async fn send(&self, request: Builder, body: Bytes) -> Result<(StatusCode, Vec<u8>)> {
        let url = &self.url;
        let request = request
            .header(header::HOST, url.authority())
            .header(header::USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(|e| ProviderError::Unexpected(e.to_string()))?;
        let tcp = TcpStream::connect((url.host.as_str(), url.port)).await;
        let tcp = tcp.map_err(|e| ProviderError::Unreachable(format!("no connection to {}: {e}", url.authority())))?;
        if !url.tls {
            return ask(tcp, request).await;
        }
        let tls = self.tls.get_or_init(|| {
            let trust = ready::Tls { ca_file: self.ca_file.clone(), ..ready::Tls::default() };
            Tls::new(&trust, &url.host, "http/1.1").map(Arc::new).map_err(|failure| failure.to_string())
        });
        let tls = tls.as_ref().map_err(|why| ProviderError::Unreachable(why.clone()))?;
        let stream = tls.over(tcp).await.map_err(|failure| ProviderError::Unreachable(failure.to_string()))?;
        ask(stream, request).await
    }
}

/// One question on this connection, which ends with it.
async fn ask<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(StatusCode, Vec<u8>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broke = |error: hyper::Error| ProviderError::Unreachable(format!("the connection broke: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    let answer = pin!(async move {
        let response = sender.send_request(request).await.map_err(broke)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| ProviderError::Unexpected(format!("its answer: {error}")))?;
        Ok((status, body.to_bytes().to_vec()))
    });
    // The connection may end first, when all of the answer has come.
    match select(answer, pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, answer)) => answer.await,
    }
}
