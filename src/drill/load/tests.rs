//! The generator against servers that misbehave in known ways.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::{address::Addresses, *};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"node\": \"n-1\"}";

/// What a test server does with a connection on which `number` requests were read before.
#[derive(Clone, Copy)]
enum Behaviour {
    Answer,
    /// Answers, and closes 30 ms later without having said so.
    CloseIdle,
    /// Reads the request and closes.
    Swallow,
    /// Says nothing.
    Silent,
    /// Answers 503.
    Fail,
    /// Says nothing until this long after the server's start, then answers everything.
    StallFor(Duration),
}

/// Requests that the server read, and its address.
async fn server(behaviour: Behaviour) -> (Arc<AtomicU64>, Target) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}/", listener.local_addr().expect("an address")).parse().expect("a URL");
    let read = Arc::new(AtomicU64::new(0));
    let counter = read.clone();
    let start = Instant::now();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, behaviour, counter.clone(), start));
        }
    });
    (read, target)
}

async fn serve(mut stream: TcpStream, behaviour: Behaviour, read: Arc<AtomicU64>, start: Instant) {
    while let Some(closes) = read_request(&mut stream).await {
        read.fetch_add(1, Ordering::SeqCst);
        match behaviour {
            Behaviour::Swallow => return,
            Behaviour::Silent => sleep(Duration::from_secs(5)).await,
            Behaviour::StallFor(stall) => sleep_until(start + stall).await,
            _ => {}
        }
        let answer = if matches!(behaviour, Behaviour::Fail) {
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
        } else {
            ANSWER
        };
        if stream.write_all(answer).await.is_err() || closes {
            return;
        }
        if matches!(behaviour, Behaviour::CloseIdle) {
            return sleep(Duration::from_millis(30)).await;
        }
    }
}

/// Reads one request; says whether it asks to close.
async fn read_request(stream: &mut TcpStream) -> Option<bool> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.ok()?;
        text.push(byte);
    }
    Some(String::from_utf8_lossy(&text).to_lowercase().contains("connection: close"))
}

fn plan(target: Target, rate_per_s: u32, millis: u64) -> LoadPlan {
    let timeout = Duration::from_secs(2);
    LoadPlan { timeout, max_in_flight: 256, ..LoadPlan::new(vec![target], rate_per_s, Duration::from_millis(millis)) }
}

async fn go(plan: LoadPlan) -> LoadReport {
    run(plan, CancellationToken::new(), Live::new()).await
}

#[tokio::test]
async fn every_request_is_counted_once() {
    let (read, target) = server(Behaviour::Answer).await;
    let live = Live::new();
    let report = run(plan(target, 200, 500), CancellationToken::new(), live.clone()).await;
    assert_eq!((report.requests, report.ok, report.failed), (100, 100, 0));
    assert_eq!(read.load(Ordering::SeqCst), 100);
    assert_eq!(report.by_node.get("n-1"), Some(&100));
    assert_eq!(report.by_status.get(&200), Some(&100));
    assert_eq!(report.timeline.iter().map(|s| s.by_node["n-1"]).sum::<u64>(), 100);
    assert!(report.connections_opened >= 50, "half of them open their own: {}", report.connections_opened);
    // How many of the others find one that is free depends on how busy this machine is.
    assert_eq!(report.connections_opened + report.connections_reused, 100);
    assert!(report.connections_reused > 0, "some of the others share");
    let seen = live.snapshot();
    assert_eq!((seen.sent, seen.ok, seen.in_flight), (100, 100, 0));
    assert_eq!(seen.shares().get("n-1"), Some(&1.0));
}

#[tokio::test]
async fn a_stall_is_charged_to_every_request_that_it_hit() {
    let (_, target) = server(Behaviour::StallFor(Duration::from_millis(400))).await;
    let report = go(plan(target, 200, 500)).await;
    assert_eq!(report.ok, 100);
    // A closed loop would show one slow request; here half of them waited for 150 ms or more.
    assert!(report.latency.p50_ms > 120.0, "{:?}", report.latency);
    assert!(report.latency.max_ms > 350.0, "{:?}", report.latency);
}

#[tokio::test]
async fn latency_counts_from_the_due_time_where_places_are_short() {
    let (_, target) = server(Behaviour::StallFor(Duration::from_millis(400))).await;
    let report = go(LoadPlan { max_in_flight: 1, ..plan(target, 200, 500) }).await;
    assert_eq!(report.ok, 100);
    assert!(report.latency.p50_ms > 120.0, "{:?}", report.latency);
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_no_failure() {
    let (read, target) = server(Behaviour::CloseIdle).await;
    let report = go(LoadPlan { keep_alive_share: 100, ..plan(target, 10, 800) }).await;
    assert_eq!((report.requests, report.failed), (8, 0), "{:?}", report.failures);
    assert_eq!(read.load(Ordering::SeqCst), 8);
}

#[tokio::test]
async fn a_connection_gets_no_request_once_it_is_old() {
    let (_, target) = server(Behaviour::Answer).await;
    let always = LoadPlan { keep_alive_share: 100, ..plan(target, 50, 600) };
    let kept = go(always.clone()).await;
    assert_eq!((kept.requests, kept.failed), (30, 0));
    let aged = go(LoadPlan { max_connection_age: Some(Duration::from_millis(100)), ..always }).await;
    assert_eq!((aged.requests, aged.failed), (30, 0));
    assert!(kept.connections_opened <= 2, "{}", kept.connections_opened);
    assert!((4..=12).contains(&aged.connections_opened), "a new one each 100 ms: {}", aged.connections_opened);
}

#[tokio::test]
async fn a_name_is_looked_up_for_each_connection_or_once() {
    let (_, target) = server(Behaviour::Answer).await;
    let named: Target = format!("http://localhost:{}/", target.port()).parse().expect("a URL");
    for lookup in [Lookup::Each, Lookup::Once] {
        let addresses = Addresses::new(lookup);
        let found = addresses.next(&named).await.expect("localhost has an address");
        assert!(found.ip().is_loopback() && found.port() == target.port(), "{found}");
        let elsewhere: Target = "http://192.0.2.1:9/".parse().expect("a URL");
        let after = addresses.next(&elsewhere).await.expect("an address is its own");
        assert_eq!(after.ip().is_loopback(), lookup == Lookup::Once, "{after}");
    }
}

#[tokio::test]
async fn a_failure_says_where_its_connection_led() {
    let (_, target) = server(Behaviour::Swallow).await;
    let report = go(plan(target.clone(), 50, 100)).await;
    let port = report.failures.first().and_then(|failure| failure.address).map(|address| address.port());
    assert_eq!(port, Some(target.port()));

    let nowhere: Target = "http://no-such-name.invalid/".parse().expect("a URL");
    let report = go(plan(nowhere, 50, 100)).await;
    assert_eq!(report.by_failure, [(FailureKind::NoAddress, 5)].into());
    assert!(report.failures.iter().all(|failure| failure.address.is_none()));
}

#[tokio::test]
async fn a_written_request_without_an_answer_is_a_failure_and_not_repeated() {
    let (read, target) = server(Behaviour::Swallow).await;
    let report = go(plan(target, 100, 300)).await;
    assert_eq!((report.requests, report.failed), (30, 30));
    assert_eq!(read.load(Ordering::SeqCst), 30);
    assert!(report.failures.iter().all(|f| matches!(f.kind, FailureKind::Closed | FailureKind::Reset)));
}

#[tokio::test]
async fn failures_are_told_apart() {
    let (_, silent) = server(Behaviour::Silent).await;
    let report = go(LoadPlan { timeout: Duration::from_millis(100), ..plan(silent, 50, 200) }).await;
    assert_eq!(report.by_failure, [(FailureKind::TimedOut, 10)].into());

    let (_, failing) = server(Behaviour::Fail).await;
    let report = go(plan(failing, 50, 200)).await;
    assert_eq!(report.by_failure, [(FailureKind::Status, 10)].into());
    assert_eq!(report.by_status, [(503, 10)].into());

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody: Target = format!("http://{}/", listener.local_addr().expect("an address")).parse().expect("a URL");
    drop(listener);
    let report = go(plan(nobody, 50, 200)).await;
    assert_eq!(report.by_failure, [(FailureKind::Refused, 10)].into());
    assert!(report.first_failure_at.is_some() && report.first_failure_at <= report.last_failure_at);
}

#[tokio::test]
async fn what_was_due_and_never_sent_is_failed() {
    let (_, target) = server(Behaviour::Silent).await;
    let limits = LoadPlan { max_in_flight: 1, timeout: Duration::from_millis(100), ..plan(target, 100, 300) };
    let report = go(limits).await;
    assert_eq!((report.requests, report.failed), (30, 30));
    assert!(report.by_failure.get(&FailureKind::NotSent).is_some_and(|n| *n >= 20), "{:?}", report.by_failure);
}

#[tokio::test]
async fn cancelling_ends_it_with_whole_requests_only() {
    let (read, target) = server(Behaviour::StallFor(Duration::from_millis(300))).await;
    let cancel = CancellationToken::new();
    let running = tokio::spawn(run(plan(target, 100, 60_000), cancel.clone(), Live::new()));
    sleep(Duration::from_millis(200)).await;
    cancel.cancel();
    let report = running.await.expect("it ends");
    assert!(report.interrupted && report.failed == 0, "{report:?}");
    assert_eq!(report.requests, read.load(Ordering::SeqCst));
    assert!((10..=30).contains(&report.requests), "{}", report.requests);
}
