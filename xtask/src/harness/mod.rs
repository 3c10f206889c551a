//! What tests and benchmarks on the lab share: load from the client's side, and the product as an operator runs it.
//!
//! Both run the real program, each as a process of its own with a time limit, and neither leaves one behind: a child
//! that is not waited for is ended when its handle is dropped. Benchmarks run the release build; tests run the one
//! that was built with them, since an order of things does not depend on the compiler's effort, and building
//! everything once more takes minutes.

mod ask;
mod child;
mod load;
mod product;
mod prometheus;
mod relay;
mod sticky;
mod terminal;
mod websocket;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

pub use ask::get;
pub use child::{Child, Finished};
pub use load::{Failed, Latency, Load, LoadResult, LoadSpec};
pub use product::Tidegate;
pub use prometheus::{Alert, Prometheus, Series};
pub use relay::Relay;
pub use sticky::{StickyClients, Visit};
pub use terminal::Terminal;
pub use websocket::{Closed, Ending, WebSockets};

static PROGRAM: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Runs this build of Tidegate from now on.
pub fn use_program(path: impl Into<PathBuf>) {
    *PROGRAM.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.into());
}

/// The program to run: the one that was named, or the release build. That is built once in a process: whoever
/// measures must not wait for cargo in between.
pub(crate) fn program() -> Result<PathBuf> {
    let mut program = PROGRAM.lock().unwrap_or_else(PoisonError::into_inner);
    match &*program {
        Some(path) => Ok(path.clone()),
        None => Ok(program.insert(crate::lab::tidegate("release")?).clone()),
    }
}
