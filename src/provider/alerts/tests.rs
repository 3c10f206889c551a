//! A server that answers well, badly, late, too much, and only who has the token.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{super::http::MAX_ANSWER, *};
use crate::config::sample;

const ALERTS: &str = r#"{"status":"success","data":{"alerts":[
    {"labels":{"alertname":"DiskFull","severity":"page"},"annotations":{},"state":"firing","activeAt":"2026-03-01T11:48:00.5+01:00","value":"1e+00"},
    {"labels":{"alertname":"Slow"},"annotations":{},"state":"pending","activeAt":"2026-03-01T11:59:00Z","value":"1e+00"}]}}"#;

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Asks a server that answers with these bytes; hands back what it was asked, too.
async fn asked(answer: Vec<u8>, timeout: &str) -> (Result<Vec<Alert>>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = vec![0; 4096];
        let n = stream.read(&mut request).await.expect("a request");
        // A client that has enough closes.
        let _ = stream.write_all(&answer).await;
        if answer.is_empty() {
            let _ = stream.read(&mut [0; 16]).await;
        }
        String::from_utf8_lossy(&request[..n]).into_owned()
    });
    let settings = settings(&format!("url = \"http://127.0.0.1:{port}/prom/\"\ntimeout = \"{timeout}\""));
    let said = Prometheus::new(&settings).firing().await;
    (said, server.await.expect("a server"))
}

fn settings(table: &str) -> settings::Prometheus {
    let text = format!(
        "[cluster]\nname = \"lab\"\n[[service]]\nname = \"app\"\nunit = \"app.service\"\nmin-ready = 1\n\
         ready = {{ port = 8080 }}\n[prometheus]\n{table}\n"
    );
    sample::loaded(&text).prometheus.expect("a Prometheus")
}

#[tokio::test]
async fn only_what_fires_counts() {
    let (said, request) = asked(http("200 OK", ALERTS), "5s").await;
    let said = said.expect("alerts");
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((said[0].label("alertname"), said[0].label("none")), ("DiskFull", ""));
    assert_eq!(said[0].since, Some("2026-03-01T10:48:00.5Z".parse().expect("a time")));
    assert!(request.starts_with("GET /prom/api/v1/alerts HTTP/1.1\r\n"), "{request}");
    let until_closed = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{ALERTS}").into_bytes();
    assert_eq!(asked(until_closed, "5s").await.0.expect("alerts").len(), 1, "without a length");
}

#[tokio::test]
async fn no_answer_is_never_no_alerts() {
    let error = r#"{"status":"error","errorType":"internal","error":"x"}"#;
    let odd = ALERTS.replace("pending", "silenced");
    for (answer, why) in [
        (http("503 Service Unavailable", ALERTS), "status 503"),
        (http("302 Found", ""), "status 302"),
        (http("200 OK", error), "its status is \"error\""),
        (http("200 OK", "{}"), "no list of alerts"),
        (http("200 OK", r#"{"status":"success"}"#), "no list of alerts"),
        (http("200 OK", "<html>"), "no list of alerts"),
        (http("200 OK", &odd), "silenced"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{".to_vec(), "its answer"),
        (b"what\r\n\r\n".to_vec(), "the connection broke"),
    ] {
        let said = asked(answer, "5s").await.0.expect_err(why).to_string();
        assert!(said.contains(why) && said.contains("Prometheus at http://127.0.0.1"), "{said}");
    }
    let late = asked(Vec::new(), "100ms").await.0.expect_err("nothing").to_string();
    assert!(late.contains("no answer within 0.1 s"), "{late}");
    let mut much = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    much.resize(MAX_ANSWER + 4096, b' ');
    let much = asked(much, "20s").await.0.expect_err("too much").to_string();
    assert!(much.contains("its answer"), "{much}");
}

#[tokio::test]
async fn a_token_is_in_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret\n").expect("written");
    assert_eq!(bearer(&file).await.expect("a header").to_str().expect("text"), "Bearer s3cret");
    assert!(format!("{:?}", bearer(&file).await).contains("Sensitive"));
    std::fs::write(&file, "two\nlines-of-s3cret").expect("written");
    let said = bearer(&file).await.expect_err("no token").to_string();
    assert!(said.ends_with("it has no token") && !said.contains("s3cret"), "{said}");
    let missing = bearer(&folder.path().join("none")).await.expect_err("no file").to_string();
    assert!(missing.contains("/none: "), "{missing}");
}
