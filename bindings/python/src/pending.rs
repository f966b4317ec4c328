//! A call that has not begun: made once for both twins, driven on the caller's thread or on the runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use medorder::{Error, ErrorCode};
use pyo3::prelude::*;

use crate::error::raise;
use crate::{host, logging, runtime};

/// The last step of a call: its answer as a Python object. Holds no Python object itself, so that it can be dropped on
/// any thread at any time.
pub(crate) type Done = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Done, Error>> + Send>>;

/// How long a waiting thread leaves signals alone: Ctrl-C is to work within 100 ms.
const SLICE: Duration = Duration::from_millis(50);

/// A call that has not begun.
#[pyclass(frozen, module = "medorder._core")]
pub(crate) struct Pending {
    work: Mutex<Option<Work>>,
    /// True if it must not be polled on the caller's thread: a poll of it may take long.
    away: bool,
    steps: Option<Arc<Steps>>,
}

/// How far a long act is, from whoever does it to whoever waits.
#[derive(Default)]
pub(crate) struct Steps(Mutex<Option<(u64, u64)>>);

impl Steps {
    pub(crate) fn put(&self, done: u64, total: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((done, total));
    }

    fn take(&self) -> Option<(u64, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Pending {
    /// `work`, whose answer `done` turns into a Python object.
    pub(crate) fn new<T: Send + 'static>(
        away: bool,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
        done: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> Self {
        let work: Work = Box::pin(async move {
            let answer = work.await?;
            Ok(Box::new(move |py: Python<'_>| done(py, answer)) as Done)
        });
        Self { work: Mutex::new(Some(work)), away, steps: None }
    }

    pub(crate) fn with_steps(mut self, steps: Arc<Steps>) -> Self {
        self.steps = Some(steps);
        self
    }

    /// The work, once.
    pub(crate) fn take(&self) -> Result<Work, Error> {
        // Before anything is locked that a thread of the parent may have locked.
        runtime::refuse_forked()?;
        if host::inside() {
            return Err(Error::new(
                ErrorCode::Closed,
                "the service cannot be called from inside one of its callbacks",
            ));
        }
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        work.ok_or_else(|| Error::new(ErrorCode::Closed, "the call was made already"))
    }
}

#[pymethods]
impl Pending {
    /// Makes the call and waits for its answer, without the GIL. `progress` hears how far the call is, on this thread.
    #[pyo3(signature = (progress=None) -> "Any")]
    fn wait(&self, py: Python<'_>, progress: Option<Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        let mut work = self.take().map_err(|error| raise(py, &error))?;
        if self.away {
            work = Box::pin(runtime::spawn(work).map_err(|error| raise(py, &error))?);
        }
        loop {
            let polled = py.detach(|| poll_within(&mut work, SLICE));
            logging::deliver(py);
            if let (Some(progress), Some(step)) = (&progress, self.steps()) {
                progress.call1(step)?;
            }
            match polled {
                Poll::Ready(Ok(done)) => return done(py),
                Poll::Ready(Err(error)) => return Err(raise(py, &error)),
                Poll::Pending => py.check_signals()?,
            }
        }
    }

    /// How far the call is as (done, total), if that has changed since it was asked last.
    fn steps(&self) -> Option<(u64, u64)> {
        self.steps.as_ref().and_then(|steps| steps.take())
    }
}

/// Polls on this thread until the work is done or the time is over.
fn poll_within(work: &mut Work, limit: Duration) -> Poll<Result<Done, Error>> {
    thread_local! {
        static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
    }
    WAKER.with(|waker| {
        let mut context = Context::from_waker(waker);
        let mut until = None;
        loop {
            if let Poll::Ready(answer) = work.as_mut().poll(&mut context) {
                return Poll::Ready(answer);
            }
            // Most calls are done at the first poll and need no clock.
            let until = *until.get_or_insert_with(|| Instant::now() + limit);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Poll::Pending;
            }
            thread::park_timeout(left);
        }
    })
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
