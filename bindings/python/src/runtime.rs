//! The runtime of this process: made when first needed, shut down at exit, left alone in the child of a fork.

use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use medorder::{Error, ErrorCode};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

use crate::error::raise;
use crate::pending::{Done, Work};

/// The runtime and whose it is. A child of a fork finds its parent's, whose threads it does not have, beside locks of
/// the database engine that nobody will ever release: it is refused there, and leaked. Nothing has to be reset at a
/// fork, and no lock is taken.
struct Slot {
    pid: u32,
    handle: Handle,
    owner: Mutex<Option<Runtime>>,
}

static SLOT: OnceLock<Slot> = OnceLock::new();

/// Refuses the child of a fork whose parent has used the engine.
pub(crate) fn refuse_forked() -> Result<(), Error> {
    match SLOT.get() {
        Some(slot) if slot.pid != std::process::id() => Err(Error::new(
            ErrorCode::Closed,
            "this process was forked from one that uses medorder; start workers with spawn",
        )),
        _ => Ok(()),
    }
}

/// Raises CLOSED in the child of a fork, where asyncio would say that there is no loop.
#[pyfunction]
pub(crate) fn check_process(py: Python<'_>) -> PyResult<()> {
    refuse_forked().map_err(|error| raise(py, &error))
}

/// Runs `work` on the runtime; the returned future waits for it, and ends it when dropped.
pub(crate) fn spawn(work: Work) -> Result<impl Future<Output = Result<Done, Error>> + Send + 'static, Error> {
    let running = slot()?.handle.spawn(work);
    let end = EndOnDrop(running.abort_handle());
    Ok(async move {
        let _end = end;
        running.await.unwrap_or_else(|error| Err(lost(error.is_panic())))
    })
}

/// Where the calls of the async twin run.
pub(crate) fn handle() -> Result<Handle, Error> {
    slot().map(|slot| slot.handle.clone())
}

/// Ends the runtime of this process, waiting at most two seconds for what holds its threads. For `atexit`.
#[pyfunction]
pub(crate) fn shut_down(py: Python<'_>) {
    let slot = SLOT.get().filter(|slot| slot.pid == std::process::id());
    let owner = slot.and_then(|slot| slot.owner.lock().unwrap_or_else(PoisonError::into_inner).take());
    if let Some(runtime) = owner {
        py.detach(|| runtime.shutdown_timeout(Duration::from_secs(2)));
    }
}

fn slot() -> Result<&'static Slot, Error> {
    refuse_forked()?;
    match SLOT.get() {
        Some(slot) => Ok(slot),
        None => {
            // Made before it is put in place; whoever comes second drops theirs, which has no work yet.
            let made = Slot::new()?;
            Ok(SLOT.get_or_init(|| made))
        }
    }
}

impl Slot {
    fn new() -> Result<Self, Error> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("medorder-python")
            .enable_time()
            .build()
            .map_err(|_| Error::new(ErrorCode::StorageUnavailable, "no thread can be started"))?;
        let handle = runtime.handle().clone();
        Ok(Self { pid: std::process::id(), handle, owner: Mutex::new(Some(runtime)) })
    }
}

/// The error of work that did not come to its end.
fn lost(panicked: bool) -> Error {
    if panicked {
        Error::new(ErrorCode::Internal, "the call panicked")
    } else {
        Error::new(ErrorCode::Closed, "the interpreter is shutting down")
    }
}

struct EndOnDrop(AbortHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
