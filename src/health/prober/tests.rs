//! One probe against servers that answer, answer wrongly, break off, hang, or are not there.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::config::settings::{CloneSettings, Connections, Http, Objective, OnDeadline, Probe, Ready, Sessions};

/// A server that answers one connection with these bytes (or none, and keeps it open) and gives back what it read,
/// and whether the prober then closed the connection.
async fn server(answer: Option<&'static [u8]>) -> (u16, JoinHandle<(String, bool)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = vec![0; 4096];
        let n = stream.read(&mut request).await.unwrap_or(0);
        if let Some(answer) = answer {
            // The prober may go away in the middle of a long answer.
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
        let mut rest = Vec::new();
        let closed = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.is_ok();
        (String::from_utf8_lossy(&request[..n]).into_owned(), closed)
    });
    (port, task)
}

fn prober(port: u16, probe: Probe) -> HttpProber {
    let timeout = Duration::from_millis(500);
    let ready = Ready { timeout, ..Ready::new(port, probe) };
    let clone = CloneSettings::of("app_service");
    let connections = Connections {
        settle: Duration::from_secs(2),
        deadline: Duration::from_secs(600),
        on_deadline: OnDeadline::Hold,
        max_age: None,
    };
    let service = settings::Service {
        name: "app".into(),
        unit: "app.service".into(),
        extra_units: Vec::new(),
        clone,
        min_ready: 1,
        ready,
        sessions: Sessions::default(),
        connections,
        objective: Objective { failover: None, max_error_ratio: 0.001, max_skew: None },
        archives: Vec::new(),
    };
    let node = settings::Node { address: Some([127, 0, 0, 1].into()), ..settings::Node::default() };
    HttpProber::new(&[service], &BTreeMap::from([("node-01".into(), node)]), Programs::default())
}

fn get() -> Probe {
    Probe::Http(Http::default())
}

async fn answer_to(answer: Option<&'static [u8]>) -> (Readiness, String, bool) {
    let (port, server) = server(answer).await;
    let seen = prober(port, get()).probe(&"node-01".into(), &"app".into()).await.expect("an answer");
    let (request, closed) = server.await.expect("the server");
    (seen, request, closed)
}

fn reason(seen: Readiness) -> String {
    match seen {
        Readiness::Ready => "ready".into(),
        Readiness::NotReady { reason } => reason,
    }
}

#[tokio::test]
async fn the_configured_status_is_ready_and_nothing_stays_open() {
    let (seen, request, closed) = answer_to(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).await;
    assert_eq!(seen, Readiness::Ready);
    assert!(request.starts_with("GET /ready HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: node-01\r\n"), "{request}");
    assert!(request.contains("connection: close\r\n"), "{request}");
    assert!(closed);
}

#[tokio::test]
async fn another_status_is_the_reason() {
    let (seen, _, closed) = answer_to(Some(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")).await;
    assert_eq!((reason(seen).as_str(), closed), ("status 503", true));
}

#[tokio::test]
async fn a_body_up_to_the_end_of_the_connection_is_an_answer() {
    assert_eq!(answer_to(Some(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")).await.0, Readiness::Ready);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_ready() {
    let (seen, ..) = answer_to(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nok")).await;
    assert!(reason(seen).starts_with("the connection broke"));
    let (seen, ..) = answer_to(Some(b"")).await;
    assert!(reason(seen).starts_with("the connection broke"));
}

#[tokio::test]
async fn something_else_than_http_is_not_ready() {
    assert!(reason(answer_to(Some(b"SSH-2.0-OpenSSH_9.2\r\n")).await.0).starts_with("no HTTP"));
}

#[tokio::test]
async fn a_long_body_is_not_read_to_its_end() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n";
    let answer: &'static [u8] = Box::leak([HEAD, &vec![b'x'; 1 << 20]].concat().into_boxed_slice());
    assert_eq!(answer_to(Some(answer)).await.0, Readiness::Ready);
}

#[tokio::test]
async fn silence_ends_at_the_time_limit_and_closes_the_connection() {
    let began = std::time::Instant::now();
    let (seen, _, closed) = answer_to(None).await;
    assert_eq!((reason(seen).as_str(), closed), ("no answer within 0.5 s", true));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    for probe in [get(), Probe::Tcp] {
        let seen = prober(port, probe).probe(&"node-01".into(), &"app".into()).await.expect("an answer");
        assert_eq!(reason(seen), format!("connection to 127.0.0.1:{port} refused"));
    }
}

#[tokio::test]
async fn a_tcp_probe_asks_for_nothing_but_a_connection() {
    let (port, server) = server(None).await;
    let seen = prober(port, Probe::Tcp).probe(&"node-01".into(), &"app".into()).await;
    assert_eq!(seen, Ok(Readiness::Ready));
    assert_eq!(server.await.expect("the server"), (String::new(), true));
}

#[tokio::test]
async fn what_cannot_be_asked_is_an_error_and_no_answer() {
    let prober = prober(1, get());
    let unknown = prober.probe(&"node-01".into(), &"other".into()).await;
    assert!(matches!(unknown, Err(ProviderError::Refused(_))), "{unknown:?}");
    let nameless = prober.probe(&"node-99.invalid".into(), &"app".into()).await;
    assert!(matches!(nameless, Err(ProviderError::Unreachable(_))), "{nameless:?}");
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let (port, server) = server(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
    let mut prober = prober(port, get());
    prober.nodes.clear();
    assert_eq!(prober.probe(&"127.0.0.1".into(), &"app".into()).await, Ok(Readiness::Ready));
    server.await.expect("the server");
}
