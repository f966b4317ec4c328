//! What verification computes without asking anybody: done on a thread of its own while the next page is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::internal;
use super::keyring::Territory;
use super::opening;
use crate::audit::chain::{Head, verify_link};
use crate::audit::{AuditKeys, Entry};
use crate::error::{Error, ErrorCode, Result};
use crate::model::Chain;
use crate::phi::key::{TerritoryKey, wrapped_version};
use crate::phi::record::skeleton;
use crate::storage::OrderRow;

/// Work under way on another thread.
pub(super) struct Aside<T>(JoinHandle<T>);

impl<T: Send + 'static> Aside<T> {
    /// Starts `work`. Not on the pool of host callbacks: whoever waits here may hold one of its threads.
    pub(super) fn start(work: impl FnOnce() -> T + Send + 'static) -> Result<Self> {
        let started = Builder::new().name("medorder-verify".into()).spawn(work);
        started.map(Self).map_err(|_| Error::new(ErrorCode::StorageUnavailable, "no thread can be started"))
    }

    /// Waits for what came out.
    pub(super) fn join(self) -> Result<T> {
        self.0.join().map_err(|_| internal("a long computation panicked"))
    }
}

/// The place of an entry as it says itself.
pub(super) const fn head_of(entry: &Entry) -> Head {
    Head { seq: entry.seq, hash: entry.hash, at: entry.body.at }
}

/// How many entries of `page` hold, the first following `before`.
pub(super) fn holding(chain: &Chain, keys: &AuditKeys, before: Head, page: &[Entry]) -> usize {
    let mut before = before;
    let holds = |entry: &&Entry| {
        let holds = verify_link(chain.as_str(), keys, &before, entry);
        before = head_of(entry);
        holds
    };
    page.iter().take_while(holds).count()
}

/// The keys that a page's rows are wrapped under, by version.
pub(super) type KeysByVersion = BTreeMap<u32, Arc<TerritoryKey>>;

/// What the newest entry of each of some rows must hold.
pub(super) type RowMacs = Vec<Option<[u8; 32]>>;

/// For each row what its newest entry must hold, `None` if the row is not what this library wrote.
pub(super) fn row_macs(territory: &Territory, keys: &KeysByVersion, rows: &[OrderRow]) -> RowMacs {
    rows.iter().map(|row| row_mac(territory, keys, row)).collect()
}

fn row_mac(territory: &Territory, keys: &KeysByVersion, row: &OrderRow) -> Option<[u8; 32]> {
    if row.version == 0 {
        return None;
    }
    if row.is_skeleton() {
        let bare = row.wrapped.is_none() && row.fields.iter().all(Option::is_none);
        return bare.then(|| skeleton(&opening::view(territory, row)));
    }
    let key = keys.get(&wrapped_version(row.wrapped.as_ref()?).ok()?)?;
    // The only error there is says that the row is damaged.
    Some(opening::check_under(territory, key, row).ok()?.row_mac())
}
