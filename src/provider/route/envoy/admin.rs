//! Questions to Envoy's admin interface: HTTP over whatever leads there, all of one look over one connection.
//!
//! Only `GET`: nothing here can change Envoy. Answers can hold what is secret in an Envoy's configuration, so none of
//! their text goes into an error.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    config::settings::Endpoint,
    provider::{
        ProviderError, Result,
        access::{Access, Stream},
        route::machine::Machine,
    },
};

/// Longest answer that is read: some 20,000 members.
const MAX_ANSWER: usize = 16 << 20;

/// The way to one admin interface.
#[derive(Clone)]
pub(super) struct Admin {
    /// Where it is, as its machine reaches it.
    pub endpoint: Endpoint,
    /// Its machine.
    pub machine: Machine,
    /// The way to other machines.
    pub access: Arc<dyn Access>,
}

impl Admin {
    /// The answers to these questions, all of them or an error, within the machine's time limit.
    pub(super) async fn ask<const N: usize>(&self, questions: [String; N]) -> Result<[Value; N]> {
        let limit = self.machine.limit;
        timeout(limit, self.exchange(questions)).await.map_err(|_| ProviderError::TimedOut(limit))?
    }

    async fn exchange<const N: usize>(&self, questions: [String; N]) -> Result<[Value; N]> {
        let broken = |e: hyper::Error| ProviderError::Unexpected(format!("Envoy's admin at {}: {e}", self.endpoint));
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect().await?)).await.map_err(broken)?;
        let asking = async {
            let mut answers = Vec::with_capacity(N);
            for question in &questions {
                answers.push(self.one(&mut sender, question).await?);
            }
            drop(sender);
            Ok::<_, ProviderError>(answers)
        };
        tokio::pin!(asking, connection);
        let answers: Vec<Value> = tokio::select! {
            biased;
            answers = &mut asking => answers?,
            // What was read before the end can still be answered.
            _ = &mut connection => asking.await?,
        };
        answers.try_into().map_err(|_| ProviderError::Unexpected("an answer is missing".into()))
    }

    async fn one(&self, sender: &mut SendRequest<Empty<Bytes>>, question: &str) -> Result<Value> {
        let path = question.split('?').next().unwrap_or_default();
        let odd = |why: String| ProviderError::Unexpected(format!("Envoy's admin at {}: {path}: {why}", self.endpoint));
        let request = http::Request::get(question).header(http::header::HOST, "envoy-admin").body(Empty::new());
        let request = request.map_err(|e| odd(e.to_string()))?;
        let response = sender.send_request(request).await.map_err(|e| odd(e.to_string()))?;
        let status = response.status();
        if !status.is_success() {
            return Err(odd(format!("status {}", status.as_u16())));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|e| odd(e.to_string()))?;
        serde_json::from_slice(&body.to_bytes()).map_err(|e| odd(format!("no JSON at column {}", e.column())))
    }

    async fn connect(&self) -> Result<Box<dyn Stream>> {
        match &self.endpoint {
            Endpoint::Unix { path } => self.machine.connect_unix(path).await,
            Endpoint::Tcp { address } => self.machine.connect_tcp(address).await,
            Endpoint::Ssh { host, path } => self.access.connect_unix(host, Path::new(path)).await,
        }
    }
}
