//! The same calls for programs that block: one implementation, driven on the caller's thread. When nobody
//! else is writing, a change commits right there, without a hop to another thread.

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::log::{AuditExport, ExportedEntry};
use super::report::VerifyReport;
use super::{
    Admin, AdminCall, Answer, Builder, Call, OrderService, Progress, RotationReport, Session, Subscription,
};
use crate::access::Actor;
use crate::error::Result;
use crate::keys::KeyProvider;
use crate::model::{
    AuditFilter, AuditPage, BatchItem, BatchMode, CreateOrder, DeleteOrder, FieldSet, IdempotencyKey, Order,
    OrderEvent, OrderFilter, OrderId, OrderPage, OrderSummary, PatientId, ProviderId, RelationshipFilter,
    RelationshipPage, StatusChange, TerritoryId, TransitionOption,
};
use crate::storage::block_on;

/// An [`OrderService`] for callers that block.
#[derive(Clone, Debug)]
pub struct BlockingService {
    service: OrderService,
}

/// A [`Session`] for callers that block.
#[derive(Clone, Debug)]
pub struct BlockingSession {
    session: Session,
}

/// An [`Admin`] for callers that block.
#[derive(Clone, Debug)]
pub struct BlockingAdmin {
    admin: Admin,
}

/// A [`Subscription`] for callers that block.
#[derive(Debug)]
pub struct BlockingSubscription {
    session: Session,
    subscription: Subscription,
}

/// An [`AuditExport`] for callers that block.
#[derive(Debug)]
pub struct BlockingExport {
    export: AuditExport,
}

impl BlockingService {
    pub(super) const fn new(service: OrderService) -> Self {
        Self { service }
    }

    /// As [`OrderService::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(url: impl AsRef<Path>, keys: impl KeyProvider) -> Result<Self> {
        block_on(OrderService::open(url, keys)).map(Self::new)
    }

    /// As [`OrderService::generation`].
    ///
    /// # Errors
    /// As there.
    pub fn generation(&self) -> Result<String> {
        block_on(self.service.generation())
    }

    /// As [`OrderService::checkpoint_public_key`].
    ///
    /// # Errors
    /// As there.
    pub fn checkpoint_public_key(&self) -> Result<[u8; 32]> {
        block_on(self.service.checkpoint_public_key())
    }

    /// The same service for async callers.
    #[must_use]
    pub const fn service(&self) -> &OrderService {
        &self.service
    }

    /// As [`OrderService::session`].
    #[must_use]
    pub fn session(&self, actor: Actor, territory: TerritoryId) -> BlockingSession {
        BlockingSession { session: self.service.session(actor, territory).inline() }
    }

    /// As [`OrderService::admin`].
    #[must_use]
    pub fn admin(&self, actor: Actor) -> BlockingAdmin {
        BlockingAdmin { admin: self.service.admin(actor).inline() }
    }

    /// As [`OrderService::close`].
    ///
    /// # Errors
    /// As there.
    pub fn close(&self) -> Result<()> {
        block_on(self.service.close())
    }
}

impl Builder {
    /// As [`Builder::open`], for callers that block.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("medorder-doc-blocking-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).ok();
    /// # let (db, key) = (folder.join("orders.db"), folder.join("root.key"));
    /// # medorder::generate_key_file(&key)?;
    /// let service = medorder::OrderService::builder(&db, medorder::KeyFile::open(&key)?).open_blocking()?;
    /// assert_eq!(service.generation()?.len(), 36);
    /// service.close()?;
    /// # std::fs::remove_dir_all(&folder).ok();
    /// # Ok::<(), medorder::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn open_blocking(self) -> Result<BlockingService> {
        block_on(self.open()).map(BlockingService::new)
    }
}

/// Writes each method as the async one of the same name, driven to its end.
macro_rules! blocking {
    ($wrapper:ident.$inner:ident: $target:ident {
        $(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $answer:ty;)*
    }) => {
        impl $wrapper {
            $(
                #[doc = concat!("As [`", stringify!($target), "::", stringify!($name), "`].")]
                ///
                /// # Errors
                /// As there.
                pub fn $name(&self $(, $arg: $type)*) -> Result<$answer> {
                    block_on(self.$inner.$name($($arg),*))
                }
            )*
        }
    };
}

blocking!(BlockingSession.session: Session {
    fn call(&self, name: &str, arguments: &[u8]) -> Zeroizing<Vec<u8>>;
    fn make(&self, call: Call) -> Answer;
    fn create_order(&self, request: CreateOrder) -> OrderSummary;
    fn create_orders(&self, requests: Vec<CreateOrder>, mode: BatchMode) -> Vec<BatchItem>;
    fn update_status(&self, id: OrderId, change: StatusChange) -> OrderSummary;
    fn update_statuses(&self, changes: Vec<(OrderId, StatusChange)>, mode: BatchMode) -> Vec<BatchItem>;
    fn delete_order(&self, id: OrderId, request: DeleteOrder) -> OrderSummary;
    fn order(&self, id: OrderId, fields: Option<FieldSet>) -> Order;
    fn order_by_key(&self, key: &IdempotencyKey) -> OrderSummary;
    fn orders(&self, filter: &OrderFilter, cursor: Option<&str>, limit: usize, fields: Option<FieldSet>) -> OrderPage;
    fn allowed_transitions(&self, id: OrderId) -> Vec<TransitionOption>;
    fn audit(&self, filter: &AuditFilter, after: u64, limit: usize) -> AuditPage;
    fn disclosures(&self, patient: &PatientId, after: u64, limit: usize) -> AuditPage;
    fn verify_audit(&self, checkpoint: Option<&str>) -> VerifyReport;
    fn relationships(&self, filter: &RelationshipFilter, after: Option<&(PatientId, ProviderId)>, limit: usize)
        -> RelationshipPage;
});

blocking!(BlockingAdmin.admin: Admin {
    fn call(&self, name: &str, arguments: &[u8], progress: impl FnMut(Progress) + Send) -> Zeroizing<Vec<u8>>;
    fn make(&self, call: AdminCall, progress: impl FnMut(Progress) + Send) -> Answer;
    fn register_territory(&self, territory: &TerritoryId) -> ();
    fn unregister_territory(&self, territory: &TerritoryId) -> ();
    fn register_relationship(&self, territory: &TerritoryId, patient: &PatientId, provider: &ProviderId) -> ();
    fn unregister_relationship(&self, territory: &TerritoryId, patient: &PatientId, provider: &ProviderId) -> ();
    fn territories(&self) -> Vec<TerritoryId>;
    fn rotate_keys(&self, territory: &TerritoryId, progress: impl FnMut(Progress) + Send) -> RotationReport;
    fn change_root(&self, keys: impl KeyProvider, progress: impl FnMut(Progress) + Send) -> ();
    fn checkpoint(&self) -> Vec<String>;
    fn audit(&self, filter: &AuditFilter, after: u64, limit: usize) -> AuditPage;
    fn verify_audit(&self) -> VerifyReport;
    fn backup(&self, path: impl AsRef<Path>) -> ();
    fn restore(&self) -> Vec<String>;
});

impl BlockingSession {
    /// As [`Session::revoke`].
    pub fn revoke(&self) {
        self.session.revoke();
    }

    /// As [`Session::subscribe`].
    ///
    /// # Errors
    /// As there.
    pub fn subscribe(&self, order: Option<OrderId>, since: Option<&str>) -> Result<BlockingSubscription> {
        let subscription = block_on(self.session.subscribe(order, since))?;
        Ok(BlockingSubscription { session: self.session.clone(), subscription })
    }

    /// As [`Session::export_audit`].
    ///
    /// # Errors
    /// As there.
    pub fn export_audit(&self) -> Result<BlockingExport> {
        block_on(self.session.export_audit()).map(|export| BlockingExport { export })
    }
}

impl BlockingSubscription {
    /// The same subscription for a caller that polls: between two polls such a caller can wait for other things too.
    /// Polls may read from the disk, so never poll it on a shared executor.
    #[must_use]
    pub fn into_async(self) -> Subscription {
        self.subscription
    }

    /// The next event, or `None` if none came within `timeout`.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<OrderEvent>> {
        let background = &self.session.core.background;
        block_on(async {
            if let Some(event) = self.subscription.ready().await? {
                return Ok(Some(event));
            }
            background.within(timeout, self.subscription.next()).await?.transpose()
        })
    }

    /// As [`Subscription::cursor`].
    #[must_use]
    pub fn cursor(&self) -> String {
        self.subscription.cursor()
    }
}

impl BlockingExport {
    /// As [`AuditExport::next_page`].
    ///
    /// # Errors
    /// As there.
    pub fn next_page(&mut self) -> Result<Vec<ExportedEntry>> {
        block_on(self.export.next_page())
    }

    /// As [`AuditExport::total`].
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.export.total()
    }
}
