//! Somebody whom playbooks tell: a web server in the lab's control namespace that keeps what was posted to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::Lab;

/// Longest body that is read.
const LARGEST: usize = 1 << 20;

/// One that listens until this process ends.
pub(super) struct Listener {
    /// Its address, as a URL without a path.
    pub(super) url: String,
    heard: Arc<Mutex<Vec<Posted>>>,
}

/// What was posted once.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    /// Where to.
    pub(super) path: String,
    /// `Content-Type`.
    pub(super) kind: String,
    /// The JSON.
    pub(super) body: Value,
}

impl Listener {
    /// Begins to listen.
    pub(super) fn start(lab: &Lab) -> Result<Self> {
        let socket = lab.listen_on("control")?;
        let url = format!("http://{}", socket.local_addr()?);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let own = heard.clone();
        thread::spawn(move || serve(&socket, &own));
        Ok(Self { url, heard })
    }

    /// All that was posted, in order.
    pub(super) fn heard(&self) -> Vec<Posted> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(socket: &TcpListener, heard: &Mutex<Vec<Posted>>) {
    for connection in socket.incoming().flatten() {
        match read(&connection) {
            Ok(posted) => heard.lock().unwrap_or_else(PoisonError::into_inner).push(posted),
            Err(error) => eprintln!("plays: the listener could not read what came: {error:#}"),
        }
    }
}

/// Reads one request, and says that it was heard.
fn read(connection: &TcpStream) -> Result<Posted> {
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.strip_prefix("POST ").and_then(|rest| rest.split(' ').next()).context("no POST")?.to_owned();
    let (mut kind, mut length) = (String::new(), 0_usize);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-type" => value.trim().clone_into(&mut kind),
            "content-length" => length = value.trim().parse()?,
            _ => {}
        }
    }
    ensure!(length <= LARGEST, "{length} bytes are too many");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut writer = connection;
    writer.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")?;
    Ok(Posted { path, kind, body: serde_json::from_slice(&body)? })
}
