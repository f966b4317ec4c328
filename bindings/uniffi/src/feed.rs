//! Changes as they happen.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use medorder::service::BlockingSubscription;

use crate::error::Result;
use crate::guarded::guarded;
use crate::shared::{Members, signed, unsigned};
use crate::time::system_time;
use crate::words::{EventKind, OrderStatus};

/// What a subscriber receives for a change that is durable. Holds no PHI.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct OrderEvent {
    /// What happened.
    pub kind: EventKind,
    /// To which order.
    pub order_id: String,
    /// Where it lives.
    pub territory_id: String,
    /// The status before; null on create.
    pub old_status: Option<OrderStatus>,
    /// The status after; of a deleted order its last.
    pub new_status: OrderStatus,
    /// When.
    pub timestamp: SystemTime,
    /// Who did it.
    pub user_id: String,
    /// Why, if a reason was given.
    pub reason: Option<String>,
    /// The version the change made.
    pub version: i64,
    /// Where to resume after this event.
    pub cursor: String,
}

impl From<medorder::OrderEvent> for OrderEvent {
    fn from(event: medorder::OrderEvent) -> Self {
        Self {
            kind: event.kind.into(),
            order_id: event.order_id.to_string(),
            territory_id: event.territory_id.as_str().to_owned(),
            old_status: event.old_status.map(Into::into),
            new_status: event.new_status.into(),
            timestamp: system_time(event.timestamp),
            user_id: event.user_id,
            reason: event.reason,
            version: signed(event.version),
            cursor: event.cursor,
        }
    }
}

/// Events of a territory or of one order, each exactly once and in order. Close it to unsubscribe.
#[derive(uniffi::Object)]
pub struct Subscription {
    feed: Members<BlockingSubscription>,
    /// Beside the feed, so that it can be read while another thread waits for an event.
    cursor: Members<String>,
}

#[uniffi::export]
impl Subscription {
    /// The next event, or null if none came within `timeout_ms` milliseconds; 0 does not wait. Two threads that ask at
    /// the same time are served one after the other.
    ///
    /// Errors: `ACCESS_DENIED` once the session is expired or revoked, `TERRITORY_NOT_FOUND` once the territory is
    /// unregistered, `INVALID_CURSOR` if the database was put back behind this reader (start over from a list page),
    /// `VALIDATION_ERROR` for a negative time, `INTEGRITY_VIOLATION`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `CLOSED`.
    pub fn next_event(&self, timeout_ms: i64) -> Result<Option<OrderEvent>> {
        let timeout = Duration::from_millis(unsigned(timeout_ms, "timeout_ms")?);
        let mut feed = self.feed.lock();
        let event = guarded(|| feed.next_within(timeout))?;
        *self.cursor.lock() = feed.cursor();
        Ok(event.map(Into::into))
    }

    /// Where a new subscription goes on after the last event that this one gave.
    pub fn cursor(&self) -> String {
        self.cursor.lock().clone()
    }
}

impl Subscription {
    pub(crate) fn of(feed: BlockingSubscription) -> Arc<Self> {
        let cursor = Members::new(feed.cursor());
        Arc::new(Self { feed: Members::new(feed), cursor })
    }
}
