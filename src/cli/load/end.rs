//! What ends a load before its time.

use std::{path::PathBuf, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels when one of the asked-for ends comes. Signals count always.
pub(super) async fn watch(file: Option<PathBuf>, stdin: bool, cancel: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return tracing::warn!("signals cannot be received: the load ends with its duration only");
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = file_appears(file) => {}
        () = stdin_closes(stdin) => {}
    }
    cancel.cancel();
}

async fn file_appears(file: Option<PathBuf>) {
    let Some(file) = file else { return std::future::pending().await };
    while !tokio::fs::try_exists(&file).await.unwrap_or(false) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// On a thread of its own, which ends with the program: a read of a terminal cannot be given up, and the runtime
/// would wait for it.
async fn stdin_closes(wanted: bool) {
    let closed = CancellationToken::new();
    if !wanted {
        return std::future::pending().await;
    }
    let tell = closed.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        tell.cancel();
    });
    closed.cancelled().await;
}
