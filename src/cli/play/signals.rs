//! The signals that tell a program to stop: SIGINT and SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on.
pub(in crate::cli) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    pub(in crate::cli) fn listen() -> Self {
        Self(signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok()))
    }

    /// The next one. Where none can be listened to, none comes: the program ends as by itself.
    pub(in crate::cli) async fn next(&mut self) {
        let Some((interrupt, terminate)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}
