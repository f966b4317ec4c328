//! Fixtures shared by the suites: a service on a database of its own, actors of each role, ready-made requests.

pub mod canary;
pub mod child;
#[cfg(unix)]
pub mod crew;
pub mod dry;
pub mod engine;
pub mod faulty;
pub mod gate;
pub mod history;
pub mod ledger;
pub mod mutate;
#[cfg(unix)]
pub mod pooler;
#[cfg(unix)]
pub mod postgres;
pub mod proxy;
pub mod raw;
pub mod secrets;
#[cfg(unix)]
pub mod site;
pub mod sql;
pub mod told;
pub mod verdict;
pub mod wrapped;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use medorder::access::Actor;
use medorder::env::{Env, FixedClock, SystemEntropy};
use medorder::service::Builder;
use medorder::storage::Storage;
use medorder::storage::memory::MemoryStorage;
use medorder::{
    CreateOrder, Insurance, KeyProvider, OrderId, OrderService, OrderStatus, Purpose, Result, Session,
    StatusChange, TestKey, VerificationData,
};
use tempfile::TempDir;

use crate::engine::Engine;
use crate::sql::Sql;

/// A service on a database of its own, of the engine that [`Engine::asked`] names, with the territories `north` and `south` and one relationship in each.
pub struct World {
    /// The service.
    pub service: OrderService,
    /// Where the database is: a path or a URL, as a service is opened with.
    pub path: PathBuf,
    /// The time, if the world was made with [`World::at_start`].
    pub clock: Arc<FixedClock>,
    _folder: TempDir,
}

/// Some moment: 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600_000_000;

impl World {
    /// A world on the system's clock.
    pub async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// A world whose clock stands still at [`START`].
    pub async fn at_start() -> Self {
        let clock = Arc::new(FixedClock::at(START));
        let env = Env { clock: clock.clone(), entropy: Arc::new(SystemEntropy) };
        let mut world = Self::with(|builder| builder.env(env)).await;
        world.clock = clock;
        world
    }

    /// A world whose service is built with more settings.
    pub async fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = Engine::asked().place(folder.path()).await;
        Self::at(folder, &path, settings).await
    }

    /// A world on the engine in memory; its path names nothing.
    pub async fn in_memory() -> Self {
        let keys: Arc<dyn KeyProvider> = Arc::new(TestKey::new());
        let (generation, rows) = Builder::initial(&keys, &Env::system()).await.expect("the first keys");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("nothing");
        let storage = Arc::new(MemoryStorage::new(generation, rows));
        Self::at(folder, &path, |builder| builder.storage(storage)).await
    }

    /// A world whose engine is wrapped by the test. Commits are as durable as a crash of the process needs, so
    /// that many of them take little time.
    pub async fn around<S: Storage>(
        wrap: impl FnOnce(Arc<dyn Storage>) -> Arc<S>,
        settings: impl FnOnce(Builder) -> Builder,
    ) -> (Self, Arc<S>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = Engine::asked().place(folder.path()).await;
        let engine = wrap(engine::storage(&path).await);
        let storage = engine.clone();
        (Self::at(folder, &path, |builder| settings(builder.storage(storage))).await, engine)
    }

    async fn at(folder: TempDir, path: &Path, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let builder = OrderService::builder(path, TestKey::new());
        let service = settings(builder).open().await.expect("the service opens");
        let clock = Arc::new(FixedClock::at(START));
        let world = Self { service, path: path.to_owned(), clock, _folder: folder };
        world.furnish().await.expect("the territories are registered");
        world
    }

    /// The database as another program sees it.
    #[must_use]
    pub fn sql(&self) -> Sql {
        Sql::open(&self.path)
    }

    /// A folder that lives as long as the world, for files beside it.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self._folder.path().to_owned()
    }

    async fn furnish(&self) -> Result<()> {
        let admin = self.service.admin(root());
        for territory in ["north", "south"] {
            admin.register_territory(&id(territory)).await?;
            admin.register_relationship(&id(territory), &id("p-1"), &id("npi-1")).await?;
        }
        Ok(())
    }

    /// A session in `north` of somebody with this standard role.
    #[must_use]
    pub fn session(&self, role: &str) -> Session {
        self.service.session(actor(role), id("north"))
    }

    /// A session in `north` of somebody who may do everything and see everything.
    #[must_use]
    pub fn all(&self) -> Session {
        self.service.session(root(), id("north"))
    }

    /// A new order in `north`, brought along the workflow to `status`.
    pub async fn order(&self, status: OrderStatus) -> OrderId {
        let session = self.all();
        let id = session.create_order(request()).await.expect("the order is created").id;
        for step in path_to(status) {
            session.update_status(id, change(step)).await.expect("the order moves");
        }
        id
    }
}

/// Parses an id that the test knows to be good.
pub fn id<T: std::str::FromStr<Err = medorder::Error>>(text: &str) -> T {
    text.parse().expect("a good id")
}

/// Somebody called like the role, with access to `north`, treating.
pub fn actor(role: &str) -> Actor {
    Actor::new(id(&format!("u-{role}")), Purpose::Treatment).role(id(role)).territory(id("north"))
}

/// Somebody with every role in every territory.
pub fn root() -> Actor {
    let roles = ["requester", "verifier", "fulfiller", "auditor", "administrator"];
    Actor::new(id("u-root"), Purpose::Operations).roles(roles.map(id)).all_territories()
}

/// A request with every field.
pub fn request() -> CreateOrder {
    CreateOrder::new("p-1", "npi-1", "MRI brain without contrast")
        .diagnosis_codes(["G43.9", "http://snomed.info/sct|37796009"])
        .notes("claustrophobic")
        .insurance(Insurance::new("Prairie Mutual", "POL-1").group_number("G7"))
}

/// A change to `status` with all that the workflow asks for.
pub fn change(status: OrderStatus) -> StatusChange {
    let change = StatusChange::to(status);
    match status {
        OrderStatus::Verified => change.verification(VerificationData::new("u-verifier", "phone")),
        OrderStatus::Rejected | OrderStatus::Cancelled => change.reason("not covered"),
        _ => change,
    }
}

/// The steps from a new order to `status`.
#[must_use]
pub fn path_to(status: OrderStatus) -> Vec<OrderStatus> {
    use OrderStatus::{Cancelled, Completed, InProgress, Rejected, Verified};
    match status {
        Verified => vec![Verified],
        Rejected => vec![Rejected],
        InProgress => vec![Verified, InProgress],
        Completed => vec![Verified, InProgress, Completed],
        Cancelled => vec![Verified, InProgress, Cancelled],
        _ => vec![],
    }
}
