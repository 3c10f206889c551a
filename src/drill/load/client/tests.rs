//! Every protocol against servers of a moment, which do what is asked of them and count it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rustls::{ServerConfig, crypto::ring};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::{Message, handshake::server};
use tokio_util::sync::CancellationToken;

use super::dial::Wire;
use crate::drill::load::{Authorities, FailureKind, Live, LoadPlan, LoadReport, Manner, run};

/// What a server saw.
#[derive(Default)]
struct Seen {
    connections: AtomicU64,
    requests: AtomicU64,
}

/// What a server does.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Answer,
    /// Says goodbye on each connection after this many requests.
    Goodbye(u64),
    /// Takes the first request of each connection and never answers.
    Silence,
    /// Does not upgrade.
    Refuse,
}

#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    H2,
    WebSocket,
    Http1,
    Echo,
}

struct Server {
    port: u16,
    seen: Arc<Seen>,
    authorities: Authorities,
}

/// A server on a port of its own; with TLS as `app.example`, which offers these protocols.
async fn server(speaks: Speaks, does: Does, alpn: Option<&'static [u8]>) -> Server {
    let made = rcgen::generate_simple_self_signed(["app.example".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a key that fits");
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let tls = alpn.map(|_| TlsAcceptor::from(Arc::new(config)));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = Arc::new(Seen::default());
    let counted = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, seen) = (tls.clone(), counted.clone());
            tokio::spawn(async move {
                let Some(stream) = wrapped(stream, tls).await else { return };
                seen.connections.fetch_add(1, Ordering::SeqCst);
                match speaks {
                    Speaks::H2 => h2(stream, does, &seen).await,
                    Speaks::WebSocket => websocket(stream, does, &seen).await,
                    Speaks::Http1 => http1(stream, &seen).await,
                    Speaks::Echo => echo(stream, &seen).await,
                }
            });
        }
    });
    Server { port, seen, authorities: made.cert.pem().try_into().expect("a certificate") }
}

async fn wrapped(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Box<dyn Wire>> {
    match tls {
        None => Some(Box::new(stream)),
        Some(tls) => Some(Box::new(tls.accept(stream).await.ok()?)),
    }
}

async fn h2(stream: Box<dyn Wire>, does: Does, seen: &Seen) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let (mut number, mut unanswered) = (0, Vec::new());
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.uri().authority().map(|a| a.as_str()), Some("app.example"));
        number += 1;
        seen.requests.fetch_add(1, Ordering::SeqCst);
        if does == Does::Silence {
            // Dropped, it would be an answer: a reset.
            unanswered.push(respond);
            continue;
        }
        let answer = http::Response::builder().header("x-node", "n-1").body(()).expect("an answer");
        let _ = respond.send_response(answer, false).and_then(|mut body| body.send_data(Bytes::from("hello"), true));
        if does == Does::Goodbye(number) {
            connection.graceful_shutdown();
        }
    }
}

async fn websocket(stream: Box<dyn Wire>, does: Does, seen: &Seen) {
    let answer = |_: &server::Request, mut response: server::Response| {
        if does == Does::Refuse {
            let mut refusal = server::ErrorResponse::new(None);
            *refusal.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            return Err(refusal);
        }
        response.headers_mut().insert("x-node", http::HeaderValue::from_static("n-1"));
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, answer).await else { return };
    let mut number = 0;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() {
            number += 1;
            seen.requests.fetch_add(1, Ordering::SeqCst);
            // What is not the answer comes first.
            let _ = socket.send(Message::text("news")).await;
            let _ = socket.send(message).await;
        }
        if does == Does::Goodbye(number) {
            sleep(Duration::from_millis(20)).await;
            let _ = socket.close(None).await;
        }
    }
}

async fn http1(mut stream: Box<dyn Wire>, seen: &Seen) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            assert!(String::from_utf8_lossy(&head).contains("host: app.example\r\n"));
            seen.requests.fetch_add(1, Ordering::SeqCst);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"node\": \"n-1\"}";
            let _ = stream.write_all(answer).await;
            head.clear();
        }
    }
}

async fn echo(mut stream: Box<dyn Wire>, seen: &Seen) {
    let mut chunk = [0; 64];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        seen.requests.fetch_add(1, Ordering::SeqCst);
        let _ = stream.write_all(&chunk[..read]).await;
    }
}

/// 100 requests in a second, as `app.example`, believing the server.
async fn load(server: &Server, url: &str, change: impl FnOnce(&mut LoadPlan)) -> LoadReport {
    let target = format!("web/lb={url}").replace("PORT", &server.port.to_string());
    let mut plan = LoadPlan::new(vec![target.parse().expect("a URL")], 100, Duration::from_secs(1));
    plan.timeout = Duration::from_millis(1500);
    let (host, authorities) = (Some("app.example".to_owned()), Some(server.authorities.clone()));
    plan.manner = Manner { host, authorities, ..Manner::default() };
    change(&mut plan);
    run(plan, CancellationToken::new(), Live::new()).await
}

fn requests(server: &Server) -> u64 {
    server.seen.requests.load(Ordering::SeqCst)
}

fn connections(server: &Server) -> u64 {
    server.seen.connections.load(Ordering::SeqCst)
}

fn assert_all_ok(report: &LoadReport, server: &Server) {
    assert_eq!((report.requests, report.failed), (100, 0), "{:?}", report.failures.first());
    assert_eq!((report.by_route["web/lb"].requests, requests(server)), (100, 100));
    assert_eq!(report.timeline.iter().map(|s| s.requests).sum::<u64>(), 100);
}

#[tokio::test]
async fn https_asks_for_the_host_and_believes_who_it_should() {
    let server = server(Speaks::Http1, Does::Answer, Some(b"http/1.1")).await;
    let report = load(&server, "https://127.0.0.1:PORT/", |plan| plan.keep_alive_share = 90).await;
    assert_all_ok(&report, &server);
    assert_eq!(report.by_node["n-1"], 100);
    let before = requests(&server);
    let stranger =
        load(&server, "https://127.0.0.1:PORT/", |plan| plan.manner.host = Some("other.example".into())).await;
    assert_eq!((stranger.by_failure, requests(&server)), ([(FailureKind::Tls, 100)].into(), before));
    let system = load(&server, "https://127.0.0.1:PORT/", |plan| plan.manner.authorities = None).await;
    assert_eq!(system.by_failure, [(FailureKind::Tls, 100)].into());
}

#[tokio::test]
async fn h2_shares_connections_and_opens_its_own() {
    for (alpn, url) in [(None, "h2c://127.0.0.1:PORT/"), (Some(&b"h2"[..]), "h2://127.0.0.1:PORT/")] {
        let server = server(Speaks::H2, Does::Answer, alpn).await;
        let report = load(&server, url, |_| {}).await;
        assert_all_ok(&report, &server);
        assert_eq!((report.by_node["n-1"], report.by_status[&200]), (100, 100));
        let opened = connections(&server);
        assert!((51..60).contains(&opened), "50 of their own, few for the other 50: {opened}");
    }
    let server = server(Speaks::H2, Does::Answer, Some(b"http/1.1")).await;
    let report = load(&server, "h2://127.0.0.1:PORT/", |_| {}).await;
    assert_eq!(report.failed, 100, "no HTTP/2 is offered");
    assert!(matches!(report.failures[0].kind, FailureKind::Protocol | FailureKind::Tls), "{:?}", report.failures[0]);
}

#[tokio::test]
async fn a_server_that_says_goodbye_over_h2_fails_nothing() {
    let server = server(Speaks::H2, Does::Goodbye(10), None).await;
    let report = load(&server, "h2c://127.0.0.1:PORT/", |plan| plan.keep_alive_share = 100).await;
    assert_eq!((report.requests, report.failed), (100, 0), "{:?}", report.failures.first());
    assert!(connections(&server) >= 8, "{}", connections(&server));
}

#[tokio::test]
async fn a_connection_without_answers_gets_no_more_over_h2() {
    let server = server(Speaks::H2, Does::Silence, None).await;
    let report = load(&server, "h2c://127.0.0.1:PORT/", |plan| {
        plan.keep_alive_share = 100;
        plan.timeout = Duration::from_millis(200);
    })
    .await;
    assert_eq!(report.by_failure, [(FailureKind::TimedOut, 100)].into());
    assert!((3..60).contains(&connections(&server)), "{}", connections(&server));
}

#[tokio::test]
async fn messages_go_there_and_back_on_connections_that_are_held() {
    for (alpn, url) in [(None, "ws://127.0.0.1:PORT/ws"), (Some(&b"http/1.1"[..]), "wss://127.0.0.1:PORT/ws")] {
        let server = server(Speaks::WebSocket, Does::Answer, alpn).await;
        let report = load(&server, url, |plan| {
            plan.keep_alive_share = 100;
            plan.manner =
                Manner { held: 5, message: Some("hello".into()), expect: Some("hell".into()), ..plan.manner.clone() };
        })
        .await;
        assert_all_ok(&report, &server);
        assert_eq!((connections(&server), report.connections_opened, report.by_node["n-1"]), (5, 5, 100));
    }
    let server = server(Speaks::WebSocket, Does::Answer, None).await;
    let own = load(&server, "ws://127.0.0.1:PORT/ws", |plan| plan.keep_alive_share = 0).await;
    assert_all_ok(&own, &server);
    assert_eq!(connections(&server), 100);
}

#[tokio::test]
async fn a_held_connection_that_ends_is_a_failure_and_is_opened_again() {
    let server = server(Speaks::WebSocket, Does::Goodbye(5), None).await;
    let report = load(&server, "ws://127.0.0.1:PORT/ws", |plan| {
        plan.keep_alive_share = 100;
        plan.manner.held = 2;
    })
    .await;
    let ended = report.by_failure.get(&FailureKind::Ended).copied().unwrap_or_default();
    // A message that was just written is what fails then.
    let cut = report.by_failure.get(&FailureKind::Closed).copied().unwrap_or_default();
    assert!(ended + cut >= 10 && report.failed == ended + cut, "{:?}", report.by_failure);
    assert_eq!((report.requests, report.ok), (100 + ended, 100 - cut), "each message has its own result");
    assert!(connections(&server) > 10, "opened again: {}", connections(&server));
    let first = &report.failures[0];
    assert_eq!((first.node.as_deref(), first.route.as_deref()), (Some("n-1"), Some("web/lb")));
    assert!(first.detail.starts_with("close frame"), "{first:?}");
    assert!(report.timeline.iter().any(|s| s.failed_by_node.contains_key("n-1")));
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_a_status() {
    let server = server(Speaks::WebSocket, Does::Refuse, None).await;
    let report = load(&server, "ws://127.0.0.1:PORT/ws", |_| {}).await;
    assert_eq!((report.by_failure, report.by_status), ([(FailureKind::Status, 100)].into(), [(503, 100)].into()));
}

#[tokio::test]
async fn tcp_connects_sends_and_expects() {
    let server = server(Speaks::Echo, Does::Answer, None).await;
    let node: crate::drill::load::NodeAt = format!("127.0.0.1:{}=n-7", server.port).parse().expect("a node");
    let plain = load(&server, "tcp://127.0.0.1:PORT", |plan| plan.nodes = [node.clone()].into_iter().collect()).await;
    assert_eq!((plain.requests, plain.failed, plain.by_node["n-7"], requests(&server)), (100, 0, 100, 0));
    let there_and_back = load(&server, "tcp://127.0.0.1:PORT", |plan| {
        plan.manner.message = Some("PING".into());
        plan.manner.expect = Some("NG".into());
    })
    .await;
    assert_eq!((there_and_back.failed, requests(&server)), (0, 100));
    let never = load(&server, "tcp://127.0.0.1:PORT", |plan| {
        plan.manner.message = Some("PING".into());
        plan.manner.expect = Some("PONG".into());
        plan.timeout = Duration::from_millis(100);
        plan.nodes = [node.clone()].into_iter().collect();
    })
    .await;
    assert_eq!(never.by_failure, [(FailureKind::TimedOut, 100)].into());
    assert_eq!(never.failures[0].node.as_deref(), Some("n-7"), "by its address");
}
