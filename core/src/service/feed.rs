//! Live changes: the log itself, read from a cursor (STORAGE.md section 7).

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use tokio::sync::watch;

use super::callback::either;
use super::guard::{Session, busy};
use super::keyring::{Territory, not_found};
use super::{ROUNDS, integrity};
use crate::audit::chain::genesis;
use crate::audit::{Action, Cursor, Entry};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{EventKind, OrderEvent, OrderId, OrderStatus, Permission, Timestamp};
use crate::storage::TerritoryRow;
use crate::wire::stored;

/// The least that a wait for the actor's expiry takes, so that a clock that stands still is no busy loop.
const LOOK: Duration = Duration::from_millis(20);
/// How many events a subscriber holds at most.
const PAGE: usize = 256;

/// Events of one order or of a whole territory, in the order of the log, from a position on. Nothing is lost
/// and nothing comes twice within one subscription; a reader that resumes from a cursor may see an event again
/// and tells by the cursor.
///
/// An event is as true as the log: that nobody forged an entry in the file is for `verify_audit` to say.
pub struct Subscription {
    session: Session,
    order: Option<OrderId>,
    generation: [u8; 16],
    /// Everything up to here has been read from storage.
    read: (u64, [u8; 8]),
    /// Everything up to here has been given out.
    given: (u64, [u8; 8]),
    waiting: VecDeque<Entry>,
    /// The entry of the last event and the place before it.
    last: Option<(Entry, (u64, [u8; 8]))>,
    changed: watch::Receiver<u64>,
}

impl Session {
    /// Subscribes to the changes of one order, or of all. `since`: absent, from now; empty, from the start; a
    /// cursor, from there. Leaves a `view` entry without an order.
    ///
    /// # Errors
    /// `INVALID_CURSOR` if the cursor is of another database, territory or time line: start over from a list
    /// page. `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `TERRITORY_NOT_FOUND`, `ORDER_NOT_FOUND`,
    /// `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `CLOSED`.
    pub async fn subscribe(&self, order: Option<OrderId>, since: Option<&str>) -> Result<Subscription> {
        let mut territory = self.enter(Permission::OrderView, Action::View, order).await?;
        if let Some(id) = order
            && self.core.storage.order(&territory.id, id).await?.is_none()
        {
            return Err(self.missing(Action::View, id).await);
        }
        let mut changed = self.core.storage.changed();
        changed.mark_unchanged();
        let (generation, from) = self.position(&territory, since).await?;
        for _ in 0..ROUNDS {
            if self.leave(&territory, Action::View, "subscription").await? {
                return Ok(Subscription {
                    session: self.clone(),
                    order,
                    generation,
                    read: from,
                    given: from,
                    waiting: VecDeque::new(),
                    last: None,
                    changed,
                });
            }
            territory = self.refresh().await?;
        }
        Err(busy())
    }

    /// The database's generation, and the place in its log that `since` names.
    async fn position(
        &self,
        territory: &Territory,
        since: Option<&str>,
    ) -> Result<([u8; 16], (u64, [u8; 8]))> {
        let chain = territory.id.as_str();
        let Some(since) = since else {
            let TerritoryRow { generation, head, .. } = self.core.head_row(&territory.chain).await?;
            return Ok((generation, place(&Cursor::at(generation, chain, head.seq, &head.hash))));
        };
        let generation = self.core.generation().await?;
        match since {
            "" => Ok((generation, place(&Cursor::at(generation, chain, 0, &genesis(chain))))),
            token => {
                let cursor = Cursor::decode(token)?;
                let page = self.core.storage.events(&territory.id, None, cursor.seq, 1).await?;
                let page = page.ok_or_else(not_found)?;
                let anchor = if cursor.seq == 0 { Some(genesis(chain)) } else { page.anchor };
                let fits = cursor.seq <= page.head.seq
                    && anchor.is_some_and(|hash| cursor.names(&generation, chain, cursor.seq, &hash));
                if fits { Ok((generation, place(&cursor))) } else { Err(invalid()) }
            }
        }
    }
}

impl Subscription {
    /// The next event; waits until there is one.
    ///
    /// Dropping the future loses nothing: the next call goes on at the same place.
    ///
    /// # Errors
    /// `ACCESS_DENIED` once the session is expired or revoked, `TERRITORY_NOT_FOUND` once the territory is
    /// unregistered, `INVALID_CURSOR` if the database was put back behind this reader, `INTEGRITY_VIOLATION`,
    /// `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `CLOSED`.
    pub async fn next(&mut self) -> Result<OrderEvent> {
        loop {
            if let Some(event) = self.ready().await? {
                return Ok(event);
            }
            let revoked = self.session.revocation.happened.notified();
            if !self.session.lives() {
                continue;
            }
            let changed = self.changed.changed();
            let news = either(async { drop(changed.await) }, revoked);
            match self.session.actor.expiry() {
                None => news.await,
                Some(expiry) => {
                    let left = expiry.as_micros().saturating_sub(self.session.core.now().as_micros());
                    let left = Duration::from_micros(u64::try_from(left).unwrap_or(0)).max(LOOK);
                    self.session.core.background.within(left, news).await?;
                }
            }
        }
    }

    /// The next event if there is one now.
    ///
    /// # Errors
    /// As [`next`](Subscription::next).
    pub async fn ready(&mut self) -> Result<Option<OrderEvent>> {
        self.check().await?;
        if self.waiting.is_empty() {
            self.fill().await?;
        }
        let Some(entry) = self.waiting.front() else { return Ok(None) };
        let event = self.event(entry).await?;
        let given = (entry.seq, prefix(&entry.hash));
        self.last = self.waiting.pop_front().map(|entry| (entry, self.given));
        self.given = if self.waiting.is_empty() { self.read } else { given };
        Ok(Some(event))
    }

    /// Takes the last event back, once: the next call gives it again. For faces whose answer may be dropped on its way
    /// to the caller.
    pub fn put_back(&mut self) {
        if let Some((entry, given)) = self.last.take() {
            self.waiting.push_front(entry);
            self.given = given;
        }
    }

    /// Where to resume: everything up to here was given out.
    #[must_use]
    pub fn cursor(&self) -> String {
        self.token(self.given)
    }

    /// What is checked before each event is given out: that the service is open and the session neither expired nor
    /// revoked. For a host that got an event and delivers it later.
    ///
    /// # Errors
    /// `ACCESS_DENIED`, `CLOSED`.
    pub async fn check(&self) -> Result<()> {
        self.session.core.live()?;
        if self.session.lives() {
            return Ok(());
        }
        let error = Error::new(ErrorCode::AccessDenied, "the session is expired or revoked");
        Err(self.session.deny(Action::View, self.order, error).await)
    }

    async fn fill(&mut self) -> Result<()> {
        // Marked before the read, so that a commit during it wakes the wait that follows.
        self.changed.mark_unchanged();
        let core = &self.session.core;
        let (seq, hash) = self.read;
        let page = core.storage.events(&self.session.id, self.order, seq, PAGE).await?;
        let page = page.filter(|page| page.active).ok_or_else(not_found)?;
        let genesis = seq == 0;
        if !genesis && page.anchor.is_none_or(|anchor| prefix(&anchor) != hash) {
            return Err(invalid());
        }
        self.read = match page.events.last() {
            Some(last) if page.events.len() == PAGE => (last.seq, prefix(&last.hash)),
            // The rest of the snapshot holds no event, so it is never read again.
            _ => (page.head.seq, prefix(&page.head.hash)),
        };
        self.waiting = page.events.into();
        if self.waiting.is_empty() {
            self.given = self.read;
        }
        Ok(())
    }

    async fn event(&self, entry: &Entry) -> Result<OrderEvent> {
        let core = &self.session.core;
        // Asked for every event: what was read before the territory went out of service stays here.
        let territory = core.keyring.territory(&self.session.id, &core.background).await?;
        let keys = &territory.audit;
        let body = &entry.body;
        let reason = match keys.open_details(&body.order_id, body.row_version, &body.action, &body.details)? {
            Some(json) => stored::parse_details(&json)?.0,
            None => None,
        };
        let deleted = body.action == Action::Delete.name();
        Ok(OrderEvent {
            kind: if deleted { EventKind::Deleted } else { EventKind::StatusChanged },
            order_id: OrderId::from_bytes(body.order_id),
            territory_id: self.session.id.clone(),
            old_status: event_status(&body.old_status)?,
            new_status: event_status(&body.new_status)?.ok_or_else(integrity)?,
            timestamp: Timestamp::from_micros(body.at),
            user_id: body.user_id.clone(),
            reason,
            version: body.row_version,
            cursor: self.token((entry.seq, prefix(&entry.hash))),
        })
    }

    fn token(&self, (seq, hash8): (u64, [u8; 8])) -> String {
        Cursor { generation: self.generation, chain: self.session.id.as_str().to_owned(), seq, hash8 }
            .encode()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({} at {})", self.session.id, self.given.0)
    }
}

/// A stored status word; empty is none.
pub(super) fn event_status(word: &str) -> Result<Option<OrderStatus>> {
    if word.is_empty() { Ok(None) } else { OrderStatus::parse(word).map(Some).map_err(|_| integrity()) }
}

fn place(cursor: &Cursor) -> (u64, [u8; 8]) {
    (cursor.seq, cursor.hash8)
}

fn prefix(hash: &[u8; 32]) -> [u8; 8] {
    std::array::from_fn(|n| hash[n])
}

fn invalid() -> Error {
    Error::new(
        ErrorCode::InvalidCursor,
        "the cursor is not of this database and territory; start over from a list",
    )
}
