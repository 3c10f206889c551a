//! Alerts of a Prometheus: `GET /api/v1/alerts`, over a connection that is used once. Bounded: an answer that is larger than
//! the limit, or late, is none. The token is read at each question and is in no error.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use super::{ProviderError, Result, http::Web};
use crate::{config::settings, model::Alert};

/// Bytes of a token's file; more is no token.
const MAX_TOKEN: u64 = 64 << 10;

/// Whoever knows which alerts fire.
#[async_trait]
pub trait Alerts: Send + Sync {
    /// Every alert that fires now, none left out.
    async fn firing(&self) -> Result<Vec<Alert>>;

    /// The values that an instant query of PromQL gives now: one a series, none where there is nothing.
    async fn instant(&self, _query: &str) -> Result<Vec<f64>> {
        Err(ProviderError::Refused("there is nobody to ask".into()))
    }
}

/// A Prometheus.
pub struct Prometheus {
    settings: settings::Prometheus,
    web: Web,
}

impl Prometheus {
    /// Nothing is connected or read yet.
    pub fn new(settings: &settings::Prometheus) -> Arc<Self> {
        let web = Web::new(settings.url.clone(), settings.ca_file.clone());
        Arc::new(Self { settings: settings.clone(), web })
    }

    /// The answer's body to a GET of this path of its API, in time.
    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let limit = self.settings.timeout;
        let asked = async {
            let path = format!("{}/api/v1/{path}", self.settings.url.path);
            let mut request = Request::get(path).header(header::ACCEPT, "application/json");
            if let Some(file) = &self.settings.token_file {
                request = request.header(header::AUTHORIZATION, bearer(file).await?);
            }
            match self.web.send(request, Bytes::new()).await? {
                (StatusCode::OK, body) => Ok(body),
                (status, _) => Err(ProviderError::Unexpected(format!("status {}", status.as_u16()))),
            }
        };
        tokio::time::timeout(limit, asked).await.unwrap_or(Err(ProviderError::TimedOut(limit)))
    }

    /// An error with its name.
    fn named(&self, error: ProviderError) -> ProviderError {
        let named = |why: String| format!("Prometheus at {}: {why}", self.settings.url);
        match error {
            ProviderError::Unexpected(why) => ProviderError::Unexpected(named(why)),
            other => ProviderError::Unreachable(named(other.to_string())),
        }
    }
}

#[async_trait]
impl Alerts for Prometheus {
    async fn firing(&self) -> Result<Vec<Alert>> {
        let answer = self.get("alerts").await.and_then(|bytes| firing(&bytes));
        answer.map_err(|error| self.named(error))
    }

    async fn instant(&self, query: &str) -> Result<Vec<f64>> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("query?query={encoded}")).await.and_then(|bytes| values(&bytes));
        answer.map_err(|error| self.named(error))
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

#[derive(Deserialize)]
struct Queried {
    status: String,
    data: Option<Instant>,
}

#[derive(Deserialize)]
struct Instant {
    #[serde(rename = "resultType")]
    kind: String,
    result: serde_json::Value,
}

/// The values of an instant query's answer: of a vector's series, or the one of a scalar.
fn values(bytes: &[u8]) -> Result<Vec<f64>> {
    let wrong = |why: String| ProviderError::Unexpected(format!("no answer to a query: {why}"));
    let answer: Queried = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
    let data = answer.data.filter(|_| answer.status == "success").ok_or_else(|| wrong("it failed".into()))?;
    let samples: Vec<&serde_json::Value> = match (data.kind.as_str(), data.result.as_array()) {
        ("scalar", Some(_)) => vec![&data.result],
        ("vector", Some(series)) => series.iter().map(|one| &one["value"]).collect(),
        (kind, _) => return Err(wrong(format!("its kind is {:?}", kind.chars().take(40).collect::<String>()))),
    };
    let value = |sample: &serde_json::Value| sample.get(1)?.as_str()?.parse().ok();
    samples.into_iter().map(|s| value(s).ok_or_else(|| wrong("a sample without a value".into()))).collect()
}

#[cfg(test)]
mod tests;
