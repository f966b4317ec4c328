//! A subscription: one reader at a time, an end that wakes it, and no event lost on the way to it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use medorder::{Error, ErrorCode, OrderEvent as CoreEvent, Subscription as Feed};
use pyo3::prelude::*;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};

use crate::convert::object;
use crate::pending::Pending;
use crate::records::OrderEvent;
use crate::runtime;

/// Events of one order or of a whole territory.
#[pyclass(frozen, module = "medorder._core")]
pub(crate) struct Subscription {
    feed: Arc<AsyncMutex<Feed>>,
    /// Where to resume, for as long as a reader has the feed.
    cursor: Arc<Mutex<String>>,
    closed: watch::Sender<bool>,
    away: bool,
}

impl Subscription {
    pub(crate) fn new(feed: Feed, away: bool) -> Self {
        let cursor = Arc::new(Mutex::new(feed.cursor()));
        Self { feed: Arc::new(AsyncMutex::new(feed)), cursor, closed: watch::Sender::new(false), away }
    }
}

#[pymethods]
impl Subscription {
    /// The next event, or None if none came within `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, timeout: Option<f64>) -> Pending {
        let (feed, cursor, mut closed) =
            (Arc::clone(&self.feed), Arc::clone(&self.cursor), self.closed.subscribe());
        let work = async move {
            let next = async {
                let mut feed = feed.lock_owned().await;
                let event = next_within(&mut feed, timeout).await?;
                Ok(Given { feed, event })
            };
            let end = async { drop(closed.wait_for(|closed| *closed).await) };
            unless(end, next).await.unwrap_or_else(|| Err(over()))
        };
        Pending::new(self.away, work, move |py, mut given: Given| {
            let event = given.event.take().map(OrderEvent::from);
            *cursor.lock().unwrap_or_else(PoisonError::into_inner) = given.feed.cursor();
            object(py, event)
        })
    }

    /// Where to resume: everything up to here was given out.
    fn cursor(&self) -> String {
        let mut last = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(feed) = self.feed.try_lock() {
            *last = feed.cursor();
        }
        last.clone()
    }

    /// Takes the last event back: it did not reach its reader.
    fn put_back(&self) {
        if let Ok(mut feed) = self.feed.try_lock() {
            feed.put_back();
        }
    }

    /// Ends the subscription, and whoever waits for its next event.
    fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// An event on its way; one that is dropped goes back.
struct Given {
    feed: OwnedMutexGuard<Feed>,
    event: Option<CoreEvent>,
}

impl Drop for Given {
    fn drop(&mut self) {
        if self.event.is_some() {
            self.feed.put_back();
        }
    }
}

/// An event that is there is given whatever the limit.
async fn next_within(feed: &mut Feed, timeout: Option<f64>) -> Result<Option<CoreEvent>, Error> {
    if let Some(event) = feed.ready().await? {
        return Ok(Some(event));
    }
    // A time too far away to be said is no limit.
    let limit = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
    let Some(limit) = limit else { return feed.next().await.map(Some) };
    let timed = {
        // Whoever polls this, the runtime keeps its time.
        let _timer = runtime::handle()?.enter();
        tokio::time::timeout(limit, feed.next())
    };
    timed.await.ok().transpose()
}

/// `work`, or None once `end` comes.
async fn unless<T>(end: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    let (mut end, mut work) = (pin!(end), pin!(work));
    poll_fn(|context| {
        if end.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
    .await
}

fn over() -> Error {
    Error::new(ErrorCode::Closed, "the subscription is closed")
}
