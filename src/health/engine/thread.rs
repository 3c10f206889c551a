//! The engine on a thread of its own, with a runtime of its own: what else the program does never delays a probe, and all
//! probes are on one core, where they cost least.

use std::{io, thread};

use tokio::{runtime, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{Engine, Probing};
use crate::health::target::{Report, Target};

impl<P: Probing + 'static> Engine<P> {
    /// [`run`](Self::run) on a thread of its own, which ends when the engine does. Fails where there are no means for a
    /// thread or a runtime.
    pub fn spawn(
        self,
        targets: Vec<Target>,
        reports: mpsc::Sender<Report>,
        stop: CancellationToken,
    ) -> io::Result<thread::JoinHandle<()>> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("probes".into()).spawn(move || runtime.block_on(self.run(targets, reports, stop)))
    }
}
