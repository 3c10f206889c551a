//! What a probe says of servers that answer, answer wrongly, hang or break off, and that nothing is left of it.

use std::{sync::Mutex, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use super::*;
use crate::config::ready::Http;

const SHORT: Duration = Duration::from_millis(200);

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

fn check(port: u16, probe: Probe) -> Check {
    let ready = Ready { timeout: SHORT, ..Ready::new(port, probe) };
    Check::new(&ready, &"node-01".into(), Some([127, 0, 0, 1].into()), &Programs::default()).expect("a check")
}

fn told(answer: Result<(), Failure>) -> String {
    answer.map_or_else(|f| format!("{}: {f}", f.kind), |()| "ready".into())
}

/// What a probe says of a server that answers one connection with these bytes and then closes it.
async fn of_bytes(answer: &'static [u8], probe: Probe) -> String {
    let (listener, port) = listener().await;
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        // One at a time: every cut must be survived.
        for part in answer.chunks(7) {
            let _ = stream.write_all(part).await;
            tokio::task::yield_now().await;
        }
    };
    let check = check(port, probe);
    let (answer, ()) = tokio::join!(timeout(Duration::from_secs(10), check.run()), server);
    told(answer.expect("in time"))
}

fn get() -> Probe {
    Probe::Http(Http::default())
}

#[tokio::test]
async fn answers_over_http_1() {
    for (answer, expected) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"[..], "ready"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ready"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "ready"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "ready"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "status: status 204"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
            "closed: the connection broke: the node closed it in the middle of its answer",
        ),
        (b"", "closed: the connection broke: the node closed it before it answered"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "protocol: no HTTP: a length that is no number"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxx\r\n", "protocol: no HTTP: a chunk without a length"),
    ] {
        let said = of_bytes(answer, get()).await;
        assert_eq!(said, expected, "{}", String::from_utf8_lossy(answer));
    }
    assert!(of_bytes(b"SSH-2.0-OpenSSH_9.2\r\n", get()).await.starts_with("protocol: no HTTP"));
}

#[tokio::test]
async fn a_head_without_an_end_is_given_up() {
    let long: &'static [u8] = Box::leak([&b"HTTP/1.1 200 OK\r\nx: "[..], &[b'x'; 20_000]].concat().into_boxed_slice());
    assert_eq!(of_bytes(long, get()).await, "protocol: no HTTP: a head without an end");
}

#[tokio::test]
async fn whatever_a_probe_waits_for_its_connection_is_gone_with_it() {
    let tls = || ready::Tls::default();
    for probe in [
        get(),
        Probe::Https { http: Http::default(), trust: tls() },
        Probe::Http2 { http: Http::default(), trust: None },
        Probe::Http2 { http: Http::default(), trust: Some(tls()) },
        Probe::Grpc { service: String::new(), host: None, trust: None },
    ] {
        let (listener, port) = listener().await;
        let check = check(port, probe.clone());
        let silent = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut rest = Vec::new();
            // The reset at the end is an error for who reads.
            timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.map(|_| rest.len())
        };
        let (answer, closed) = tokio::join!(timeout(SHORT, check.run()), silent);
        assert!(answer.is_err(), "{probe:?} waits");
        assert!(closed.expect("closed in time") > 0, "{probe:?} had asked");
    }
}

/// A gRPC server that says this about the service `app`, and knows no other.
async fn grpc(listener: &TcpListener, serving: u8, seen: &Mutex<Vec<String>>) {
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        seen.lock().expect("no panic").push(format!("{} {}", request.method(), request.uri()));
        let mut body = request.into_body();
        let mut message = Vec::new();
        // The message may be behind its headers.
        while let Some(Ok(data)) = tokio::select! { data = body.data() => data, _ = connection.accept() => None } {
            message.extend_from_slice(&data);
        }
        let known = message.ends_with(b"\x0a\x03app");
        let mut send = respond.send_response(Response::new(()), false).expect("headers");
        if known {
            send.send_data(Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, serving]), false).expect("a message");
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", if known { "0" } else { "5" }.parse().expect("a value"));
        send.send_trailers(trailers).expect("trailers");
    }
}

#[tokio::test]
async fn grpc_health_is_asked_by_its_own_protocol() {
    for (service, serving, expected) in [
        ("app", 1, "ready"),
        ("app", 2, "status: it says NOT_SERVING"),
        ("other", 1, "status: gRPC status 5 (NOT_FOUND)"),
        ("", 1, "status: gRPC status 5 (NOT_FOUND)"),
    ] {
        let (listener, port) = listener().await;
        let seen = Mutex::default();
        let probe = Probe::Grpc { service: service.into(), host: Some("app.example".into()), trust: None };
        let check = check(port, probe);
        let answer = tokio::select! {
            answer = timeout(Duration::from_secs(10), check.run()) => answer.expect("in time"),
            () = grpc(&listener, serving, &seen) => panic!("the server ended first"),
        };
        assert_eq!(told(answer), expected);
        assert_eq!(*seen.lock().expect("no panic"), ["POST http://app.example/grpc.health.v1.Health/Check"]);
    }
}

#[tokio::test]
async fn something_else_than_http_2_is_no_answer() {
    let probe = Probe::Http2 { http: Http::default(), trust: None };
    let said = of_bytes(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", probe).await;
    assert!(said.starts_with("protocol: no HTTP/2") || said.starts_with("closed: "), "{said}");
}
