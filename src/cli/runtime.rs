//! What the program's own tasks run on.

use super::failure::Failure;
use color_eyre::eyre::WrapErr;
use tokio::runtime::{Builder, Runtime};

/// Two threads: one that is busy keeps no heartbeat waiting.
pub(super) fn start_runtime() -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build();
    Ok(runtime.wrap_err("the program's own tasks cannot be started")?)
}
