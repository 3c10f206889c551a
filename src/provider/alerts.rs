//! Alerts of a Prometheus: `GET /api/v1/alerts`, over a connection that is used once. Bounded: an answer that is larger than
//! the limit, or late, is none. The token is read at each question and is in no error.

use std::{
    path::Path,
    pin::pin,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use futures_util::future::{Either, select};
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
};

use super::{ProviderError, Result};
use crate::{
    config::{ready, settings},
    health::probe::Tls,
    model::Alert,
};

/// Bytes of an answer; more is none.
const MAX_ANSWER: usize = 8 << 20;
/// Bytes of a token's file; more is no token.
const MAX_TOKEN: u64 = 64 << 10;

/// Whoever knows which alerts fire.
#[async_trait]
pub trait Alerts: Send + Sync {
    /// Every alert that fires now, none left out.
    async fn firing(&self) -> Result<Vec<Alert>>;
}

/// A Prometheus.
pub struct Prometheus {
    settings: settings::Prometheus,
    /// Made at the first question over TLS: the system's authorities take a moment to read.
    tls: OnceLock<std::result::Result<Tls, String>>,
}

impl Prometheus {
    /// Nothing is connected or read yet.
    pub fn new(settings: &settings::Prometheus) -> Arc<Self> {
        Arc::new(Self { settings: settings.clone(), tls: OnceLock::new() })
    }

    async fn answer(&self) -> Result<Vec<u8>> {
        let url = &self.settings.url;
        let request = self.request().await?;
        let tcp = TcpStream::connect((url.host.as_str(), url.port)).await;
        let tcp = tcp.map_err(|e| ProviderError::Unreachable(format!("no connection to {}: {e}", url.authority())))?;
        if !url.tls {
            return ask(tcp, request).await;
        }
        let tls = self.tls.get_or_init(|| {
            let trust = ready::Tls { ca_file: self.settings.ca_file.clone(), ..ready::Tls::default() };
            Tls::new(&trust, &url.host, "http/1.1").map_err(|failure| failure.to_string())
        });
        let tls = tls.as_ref().map_err(|why| ProviderError::Unreachable(why.clone()))?;
        let stream = tls.over(tcp).await.map_err(|failure| ProviderError::Unreachable(failure.to_string()))?;
        ask(stream, request).await
    }

    async fn request(&self) -> Result<Request<Empty<&'static [u8]>>> {
        let url = &self.settings.url;
        let mut request = Request::get(format!("{}/api/v1/alerts", url.path))
            .header(header::HOST, url.authority())
            .header(header::USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close");
        if let Some(file) = &self.settings.token_file {
            request = request.header(header::AUTHORIZATION, bearer(file).await?);
        }
        request.body(Empty::new()).map_err(|e| ProviderError::Unexpected(e.to_string()))
    }
}

#[async_trait]
impl Alerts for Prometheus {
    async fn firing(&self) -> Result<Vec<Alert>> {
        let limit = self.settings.timeout;
        let named = |why: String| format!("Prometheus at {}: {why}", self.settings.url);
        let answer = tokio::time::timeout(limit, self.answer()).await.unwrap_or(Err(ProviderError::TimedOut(limit)));
        let read = answer.and_then(|bytes| firing(&bytes));
        read.map_err(|error| match error {
            ProviderError::Unexpected(why) => ProviderError::Unexpected(named(why)),
            other => ProviderError::Unreachable(named(other.to_string())),
        })
    }
}

/// The Authorization header of the token in a file.
async fn bearer(file: &Path) -> Result<HeaderValue> {
    let unread = |why: &dyn std::fmt::Display| ProviderError::Unreachable(format!("{}: {why}", file.display()));
    let opened = tokio::fs::File::open(file).await.map_err(|e| unread(&e))?;
    let mut token = String::new();
    opened.take(MAX_TOKEN).read_to_string(&mut token).await.map_err(|e| unread(&e))?;
    let mut value =
        HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_| unread(&"it has no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// One question on this connection, which ends with it.
async fn ask<S>(stream: S, request: Request<Empty<&'static [u8]>>) -> Result<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broke = |error: hyper::Error| ProviderError::Unreachable(format!("the connection broke: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    let answer = pin!(async move {
        let response = sender.send_request(request).await.map_err(broke)?;
        let status = response.status();
        if status != http::StatusCode::OK {
            return Err(ProviderError::Unexpected(format!("status {}", status.as_u16())));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| ProviderError::Unexpected(format!("its answer: {error}")))?;
        Ok(body.to_bytes().to_vec())
    });
    // The connection may end first, when all of the answer has come.
    match select(answer, pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, answer)) => answer.await,
    }
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    alerts: Vec<Found>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    labels: std::collections::BTreeMap<String, String>,
    state: String,
    active_at: Option<Timestamp>,
}

/// The alerts of an answer that fire; one that is only pending does not.
fn firing(bytes: &[u8]) -> Result<Vec<Alert>> {
    let wrong = |why: String| ProviderError::Unexpected(format!("no list of alerts: {why}"));
    let answer: Answer = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
    let data = answer.data.filter(|_| answer.status == "success");
    let data =
        data.ok_or_else(|| wrong(format!("its status is {:?}", answer.status.chars().take(40).collect::<String>())))?;
    let mut firing = Vec::new();
    for found in data.alerts {
        match found.state.as_str() {
            "firing" => firing.push(Alert { labels: found.labels, since: found.active_at }),
            "pending" | "inactive" => {}
            other => {
                return Err(wrong(format!("an alert in the state {:?}", other.chars().take(40).collect::<String>())));
            }
        }
    }
    Ok(firing)
}

#[cfg(test)]
mod tests;
