//! A member of a backend: ready or not as the test says, and able to hold a request for as long as wanted.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

pub struct Backend {
    pub port: u16,
    ready: Arc<AtomicBool>,
    _server: JoinSet<()>,
}

impl Backend {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ready = Arc::new(AtomicBool::new(true));
        let mut server = JoinSet::new();
        let flag = Arc::clone(&ready);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&flag)));
            }
        });
        Self { port, ready, _server: server }
    }

    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }
}

async fn serve(stream: TcpStream, ready: Arc<AtomicBool>) {
    let mut stream = BufReader::new(stream);
    while let Some(path) = request(&mut stream).await {
        let status = match path.as_str() {
            "/ready" if !ready.load(Ordering::Relaxed) => "503 Service Unavailable",
            // Held until the other side goes away.
            "/hold" => return drop(request(&mut stream).await),
            // From here on no HTTP any more: whatever comes goes back.
            "/tunnel" => return drop(echo(&mut stream).await),
            _ => "200 OK",
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn echo(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await?;
    let mut some = [0; 4096];
    loop {
        match stream.read(&mut some).await? {
            0 => return Ok(()),
            n => stream.write_all(&some[..n]).await?,
        }
    }
}

/// Reads one request's head; `None` where the connection ended.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut path, mut line) = (None, String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => return path,
            head if path.is_none() => path = head.split(' ').nth(1).map(str::to_owned),
            _ => {}
        }
    }
}
