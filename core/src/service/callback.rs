//! Calls out to the host: on another thread, with a deadline, and never back into the service.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, ErrorCode, Result};

/// How long a callback of the host may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Timers and the pool for host callbacks; made when first needed, so a service without them has no more
/// threads than its engine.
pub(super) struct Background {
    runtime: OnceLock<Option<Runtime>>,
    pid: u32,
}

impl Default for Background {
    fn default() -> Self {
        Self { runtime: OnceLock::new(), pid: std::process::id() }
    }
}

impl Background {
    fn runtime(&self) -> Result<&Runtime> {
        self.runtime
            .get_or_init(|| {
                Builder::new_multi_thread()
                    .worker_threads(1)
                    .thread_name("medorder")
                    .max_blocking_threads(64)
                    .enable_time()
                    .build()
                    .ok()
            })
            .as_ref()
            .ok_or_else(|| Error::new(ErrorCode::StorageUnavailable, "no thread can be started"))
    }

    /// Runs a callback of the host on a thread of the pool. A panic, an overrun deadline or a full pool is the
    /// error that `late` makes.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        deadline: Duration,
        callback: impl FnOnce() -> T + Send + 'static,
        late: impl FnOnce() -> Error,
    ) -> Result<T> {
        let runtime = self.runtime()?;
        let running = runtime.spawn_blocking(move || {
            INSIDE.set(true);
            // The flag must go down also when the callback panics: the pool reuses its threads.
            let _down = Down;
            callback()
        });
        match self.within(deadline, running).await? {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(_)) | None => Err(late()),
        }
    }

    /// Waits for `future` at most `limit`; `None` when it is over. Works on any executor.
    pub(super) async fn within<F: Future>(&self, limit: Duration, future: F) -> Result<Option<F::Output>> {
        let timeout = {
            let _timer = self.runtime()?.enter();
            tokio::time::timeout(limit, future)
        };
        Ok(timeout.await.ok())
    }

    /// Runs a long computation away from the caller's executor; a caller that blocks anyway runs it itself.
    pub(super) async fn offload<T: Send + 'static>(
        &self,
        inline: bool,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        if inline {
            return work.await;
        }
        let running = self.runtime()?.spawn_blocking(move || pollster::block_on(work));
        running.await.map_err(|_| Error::new(ErrorCode::Internal, "a long computation panicked"))?
    }

    /// Runs `task` in the background.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Ok(runtime) = self.runtime() {
            runtime.spawn(task);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let Some(Some(runtime)) = self.runtime.take() else { return };
        if self.pid == std::process::id() {
            // A plain drop would block, and panics inside another runtime.
            runtime.shutdown_background();
        } else {
            // In the child of a fork its threads do not exist; shutting them down could wait for ever.
            std::mem::forget(runtime);
        }
    }
}

struct Down;

impl Drop for Down {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

/// Refuses a call that comes from inside one of the service's own callbacks: it could wait for itself.
pub(super) fn refuse_inside() -> Result<()> {
    if INSIDE.get() {
        return Err(Error::new(
            ErrorCode::Closed,
            "the service cannot be called from inside one of its callbacks",
        ));
    }
    Ok(())
}

/// Waits for whichever of two is ready first.
pub(super) async fn either(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| {
        if a.as_mut().poll(cx).is_ready() || b.as_mut().poll(cx).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
