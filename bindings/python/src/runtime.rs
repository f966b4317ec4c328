//! The runtime of this process: made when first needed, shut down at exit, left alone in the child of a fork.

use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use medorder::{Error, ErrorCode};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

use crate::pending::{Done, Work};

/// One process's runtime. A child of a fork finds its parent's, whose threads it does not have, and hangs its own
/// behind it: nothing is reset, no lock is taken, and the parent's is leaked there.
struct Slot {
    pid: u32,
    handle: Handle,
    owner: Mutex<Option<Runtime>>,
    child: OnceLock<Box<Slot>>,
}

static FIRST: OnceLock<Box<Slot>> = OnceLock::new();

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
    let pid = std::process::id();
    let mut slot = FIRST.get();
    while let Some(found) = slot.filter(|slot| slot.pid != pid) {
        slot = found.child.get();
    }
    let owner = slot.and_then(|slot| slot.owner.lock().unwrap_or_else(PoisonError::into_inner).take());
    if let Some(runtime) = owner {
        py.detach(|| runtime.shutdown_timeout(Duration::from_secs(2)));
    }
}

fn slot() -> Result<&'static Slot, Error> {
    let pid = std::process::id();
    let mut place = &FIRST;
    loop {
        let slot = match place.get() {
            Some(slot) => slot,
            None => {
                // Made before it is put in place, so that no fork meets a place that is being filled for long.
                let made = Box::new(Slot::new(pid)?);
                place.get_or_init(|| made)
            }
        };
        if slot.pid == pid {
            return Ok(slot);
        }
        place = &slot.child;
    }
}

impl Slot {
    fn new(pid: u32) -> Result<Self, Error> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("medorder-python")
            .enable_time()
            .build()
            .map_err(|_| Error::new(ErrorCode::StorageUnavailable, "no thread can be started"))?;
        let handle = runtime.handle().clone();
        Ok(Self { pid, handle, owner: Mutex::new(Some(runtime)), child: OnceLock::new() })
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
