//! From the runtime's threads to an event loop. A finished call goes into a queue, and a byte into a socket that the
//! loop watches; no thread of the runtime ever attaches to the interpreter, so none can meet it while it shuts down.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use medorder::{Error, ErrorCode};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tokio::task::AbortHandle;

use crate::error::raise;
use crate::logging;
use crate::pending::{Done, Pending};
use crate::runtime;

#[cfg(unix)]
type Stream = std::os::unix::net::UnixStream;
#[cfg(not(unix))]
type Stream = std::net::TcpStream;

/// What one event loop waits for.
#[pyclass(frozen, module = "medorder._core")]
pub(crate) struct Bridge {
    shared: Arc<Shared>,
    reader: Stream,
    pid: u32,
}

struct Shared {
    state: Mutex<State>,
    writer: Stream,
}

#[derive(Default)]
struct State {
    /// The number of the last call.
    last: u64,
    /// Calls that somebody waits for.
    live: HashMap<u64, AbortHandle>,
    /// Those among them that are done.
    done: HashMap<u64, Result<Done, Error>>,
    /// Those among these that the loop was not told of.
    fresh: Vec<u64>,
}

#[pymethods]
impl Bridge {
    #[new]
    fn new() -> PyResult<Self> {
        let (reader, writer) = pair().map_err(|error| PyOSError::new_err(error.to_string()))?;
        let shared = Arc::new(Shared { state: Mutex::default(), writer });
        Ok(Self { shared, reader, pid: std::process::id() })
    }

    /// What the loop watches for reading.
    fn fileno(&self) -> i64 {
        #[cfg(unix)]
        return i64::from(std::os::fd::AsRawFd::as_raw_fd(&self.reader));
        #[cfg(not(unix))]
        return std::os::windows::io::AsRawSocket::as_raw_socket(&self.reader) as i64;
    }

    /// Begins a call and answers its number.
    fn start(&self, py: Python<'_>, pending: &Pending) -> PyResult<u64> {
        self.begin(pending).map_err(|error| raise(py, &error))
    }

    /// Ends a call that nobody waits for any more; an event it had taken goes back to its subscription.
    fn cancel(&self, py: Python<'_>, number: u64) {
        py.detach(|| {
            let (task, done) = self.shared.state().forget(number);
            if let Some(task) = task {
                task.abort();
            }
            // Dropped after the lock is free.
            drop(done);
        });
    }

    /// The numbers of the calls that are done since this was asked last.
    fn drain(&self, py: Python<'_>) -> Vec<u64> {
        let fresh = py.detach(|| {
            // Bytes first: a call that ends after this writes another one.
            let mut bytes = [0; 64];
            while matches!((&self.reader).read(&mut bytes), Ok(n) if n == bytes.len()) {}
            std::mem::take(&mut self.shared.state().fresh)
        });
        logging::deliver(py);
        fresh
    }

    /// The answer of a call that is done, or its error.
    #[pyo3(signature = (number) -> "Any")]
    fn answer(&self, py: Python<'_>, number: u64) -> PyResult<Py<PyAny>> {
        let done = py.detach(|| self.shared.state().forget(number).1);
        let done = done.unwrap_or_else(|| Err(Error::new(ErrorCode::Internal, "the call is not done")));
        done.map_err(|error| raise(py, &error))?(py)
    }
}

impl Bridge {
    fn begin(&self, pending: &Pending) -> Result<u64, Error> {
        let (work, runtime) = (pending.take()?, runtime::handle()?);
        let shared = Arc::clone(&self.shared);
        // Held while the call begins, so that it is known when it ends.
        let mut state = self.shared.state();
        state.last += 1;
        let number = state.last;
        let task = runtime.spawn(async move {
            let mut ended = Ended { shared, number, result: None };
            ended.result = Some(work.await);
        });
        state.live.insert(number, task.abort_handle());
        Ok(number)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            for task in self.shared.state().live.values() {
                task.abort();
            }
        }
    }
}

impl State {
    fn forget(&mut self, number: u64) -> (Option<AbortHandle>, Option<Result<Done, Error>>) {
        (self.live.remove(&number), self.done.remove(&number))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports the end of a call, also of one that panicked.
struct Ended {
    shared: Arc<Shared>,
    number: u64,
    result: Option<Result<Done, Error>>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let lost = || Err(Error::new(ErrorCode::Internal, "the call did not come to its end"));
        let result = self.result.take().unwrap_or_else(lost);
        let mut state = self.shared.state();
        if !state.live.contains_key(&self.number) {
            // Dropped after the lock: the answer may have to put an event back.
            drop(state);
            return;
        }
        let first = state.fresh.is_empty();
        state.fresh.push(self.number);
        state.done.insert(self.number, result);
        drop(state);
        if first {
            // A full socket has a byte that wakes the loop; one that is gone has no loop.
            let _ = (&self.shared.writer).write(&[1]);
        }
    }
}

#[cfg(unix)]
fn pair() -> io::Result<(Stream, Stream)> {
    let (reader, writer) = Stream::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    Ok((reader, writer))
}

/// Only sockets can be watched there, and there is no pair of them.
#[cfg(not(unix))]
fn pair() -> io::Result<(Stream, Stream)> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let writer = Stream::connect(listener.local_addr()?)?;
    let (reader, peer) = listener.accept()?;
    if peer != writer.local_addr()? {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    Ok((reader, writer))
}
