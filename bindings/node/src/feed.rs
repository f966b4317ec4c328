//! A subscription whose waits can be given up without losing the event they would have brought.

use std::sync::{Arc, Mutex};

use medorder::{Error, ErrorCode, OrderId, Result, wire};
use napi_derive::napi;
use tokio::sync;
use tokio::task::AbortHandle;

use crate::mail::{Mail, Owed, lock, spawn, start};
use crate::reply::Text;

/// Events of one order or of a whole territory.
#[napi]
pub struct Subscription {
    mail: Arc<Mail>,
    feed: Arc<Feed>,
}

struct Feed {
    /// `None` until it is open, and once it is closed.
    inner: sync::Mutex<Option<medorder::Subscription>>,
    /// An event that was fetched for a wait that had been given up meanwhile.
    kept: Mutex<Option<Text>>,
    /// The wait under way. One at a time: TypeScript lets the others queue.
    wait: Mutex<Option<Wait>>,
}

struct Wait {
    number: i64,
    task: Option<AbortHandle>,
}

impl Subscription {
    pub(crate) fn open(
        mail: &Arc<Mail>,
        number: i64,
        session: medorder::Session,
        order: Option<OrderId>,
        since: Option<String>,
    ) -> Self {
        let feed =
            Arc::new(Feed { inner: sync::Mutex::new(None), kept: Mutex::default(), wait: Mutex::default() });
        let opened = Arc::clone(&feed);
        start(mail, number, async move {
            let subscription = session.subscribe(order, since.as_deref()).await?;
            let cursor = wire::plain_json(&subscription.cursor());
            *opened.inner.lock().await = Some(subscription);
            Ok(cursor)
        });
        Self { mail: Arc::clone(mail), feed }
    }
}

#[napi]
impl Subscription {
    /// Waits for the next event.
    #[napi(catch_unwind)]
    pub fn next(&self, number: i64) {
        let (feed, owed) = (Arc::clone(&self.feed), Owed::new(&self.mail, number));
        // Held until the wait is noted, so that a quick event finds it.
        let mut wait = lock(&self.feed.wait);
        let task = spawn(async move { feed.wait_for(number, owed).await });
        *wait = Some(Wait { number, task });
    }

    /// Gives the wait up. An event that has come for it already is the next one's.
    #[napi(catch_unwind)]
    pub fn cancel(&self, number: i64) {
        let mut wait = lock(&self.feed.wait);
        if wait.as_ref().is_some_and(|wait| wait.number == number) {
            if let Some(task) = wait.take().and_then(|wait| wait.task) {
                task.abort();
            }
        } else if let Some(event) = self.mail.recall(number) {
            *lock(&self.feed.kept) = Some(event);
        }
    }

    /// Lets go of the feed.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.feed.close();
    }
}

/// A worker that ends, or a subscription nobody holds, leaves no wait behind.
impl Drop for Subscription {
    fn drop(&mut self) {
        self.feed.close();
    }
}

impl Feed {
    /// Waits for the next event and delivers it.
    async fn wait_for(&self, number: i64, owed: Owed) {
        // Held until the event is delivered, so that a wait that was given up and the one after it stay in order.
        let mut inner = self.inner.lock().await;
        let event = self.event(inner.as_mut()).await;
        self.deliver(number, owed, event);
    }

    async fn event(&self, feed: Option<&mut medorder::Subscription>) -> Result<Text> {
        let feed = feed.ok_or_else(|| Error::new(ErrorCode::Closed, "the subscription is closed"))?;
        if lock(&self.kept).is_some() {
            feed.check().await?;
            if let Some(event) = lock(&self.kept).take() {
                return Ok(event);
            }
        }
        Ok(wire::event_json(&feed.next().await?))
    }

    /// Posts the event, or keeps it if the wait was given up while it came.
    fn deliver(&self, number: i64, owed: Owed, event: Result<Text>) {
        let mut wait = lock(&self.wait);
        if wait.as_ref().is_some_and(|wait| wait.number == number) {
            *wait = None;
            owed.pay(event);
        } else {
            owed.waive();
            if let Ok(event) = event {
                *lock(&self.kept) = Some(event);
            }
        }
    }

    fn close(self: &Arc<Self>) {
        if let Some(task) = lock(&self.wait).take().and_then(|wait| wait.task) {
            task.abort();
        }
        // Not at once: the wait that was just given up may still hold the feed.
        let feed = Arc::clone(self);
        spawn(async move { drop(feed.inner.lock().await.take()) });
    }
}
