//! Telling somebody: a webhook, or a program with the same JSON on its standard input.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use serde_json::json;

use super::{
    Machines,
    hands::{fill, filled},
    machines,
};
use crate::{
    config::prometheus::Url,
    model::PlayId,
    playbook::{Opening, Spot, model::Through, next},
    provider::http::Web,
};

/// What is told.
pub(super) struct Word<'w> {
    pub(super) play: &'w PlayId,
    pub(super) opening: &'w Opening,
    pub(super) at: &'w Spot,
    pub(super) text: String,
}

impl Word<'_> {
    fn body(&self) -> String {
        json!({
            "play": self.play,
            "playbook": self.opening.playbook.name,
            "step": next::name(self.opening, self.at),
            "node": self.at.node,
            "operator": self.opening.operator,
            "reason": self.opening.reason,
            "message": self.text,
            "text": self.text,
        })
        .to_string()
    }
}

/// Tells it. A URL may hold a secret, and is in no error.
pub(super) async fn tell(
    machines: &Machines,
    through: &Through,
    word: &Word<'_>,
    timeout: Duration,
) -> Result<(), String> {
    let late = |_| format!("no answer within {:.0} s", timeout.as_secs_f64());
    match through {
        Through::Webhook(url) => {
            tokio::time::timeout(timeout, post(&fill(url, word.at), word.body())).await.map_err(late)?
        }
        Through::Command(command) => {
            let command = filled(command, word.at);
            let argv: Vec<&str> = command.iter().map(String::as_str).collect();
            let output =
                machines.here.feed("", &argv, word.body().as_bytes(), timeout).await.map_err(|e| e.to_string())?;
            match output.code {
                Some(0) => Ok(()),
                code => Err(format!("{}: {}", machines::code(code), machines::tail(&output.stderr, 400))),
            }
        }
    }
}

async fn post(url: &str, body: String) -> Result<(), String> {
    let url = Url::read(url).ok_or("the webhook is no URL")?;
    let path = if url.path.is_empty() { "/".to_owned() } else { url.path.clone() };
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let host = url.authority();
    match Web::new(url, None).send(request, Bytes::from(body)).await {
        Ok((status, _)) if status.is_success() => Ok(()),
        Ok((status, _)) => Err(format!("{host} answered {}", status.as_u16())),
        Err(error) => Err(format!("{host}: {error}")),
    }
}
