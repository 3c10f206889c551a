//! What tests and benchmarks on the lab share: load from the client's side, and the product as an operator runs it.
//!
//! Both run the release build, each as a process of its own with a time limit, and neither leaves one behind: a
//! child that is not waited for is ended when its handle is dropped.

mod child;
mod load;
mod product;

use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Result;

pub use child::{Child, Finished};
pub use load::{Failed, Latency, Load, LoadResult, LoadSpec};
pub use product::Tidegate;

/// The release build's path. Built once in a process: whoever measures must not wait for cargo in between.
fn release() -> Result<PathBuf> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match &*built {
        Some(path) => Ok(path.clone()),
        None => Ok(built.insert(crate::lab::tidegate("release")?).clone()),
    }
}
