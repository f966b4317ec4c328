//! A database that several processes open: a file, or a PostgreSQL database reached straight or over something.

use std::path::PathBuf;

use medorder::service::BlockingService;
use medorder::storage::postgres::PostgresInit;
use medorder::{OrderId, OrderService, Result, TestKey};
use tempfile::TempDir;

use crate::postgres::{Database, OWNER, RUNTIME, Server};
use crate::raw::{RawEntry, RawFile, RawOrder};
use crate::{id, root};

/// Where processes meet.
pub struct Site {
    /// What they open.
    pub url: String,
    /// The database, if it is one of PostgreSQL.
    pub database: Option<Database>,
    path: PathBuf,
    /// What the suite itself opens: always the straight way.
    straight: String,
    _folder: Option<TempDir>,
}

impl Site {
    /// A file with these territories.
    #[must_use]
    pub fn sqlite(territories: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("orders.db");
        let url = path.display().to_string();
        let site = Self { url: url.clone(), database: None, path, straight: url, _folder: Some(folder) };
        site.furnish(territories).expect("the territories are registered");
        site
    }

    /// A database of `server` with these territories; `url` says how processes reach it.
    #[must_use]
    pub fn postgres(server: &Server, territories: &[String], url: impl FnOnce(&Database) -> String) -> Self {
        let database = server.database();
        init(&database, &PostgresInit::new(RUNTIME)).expect("the owner makes the schema");
        let site = Self {
            url: url(&database),
            straight: database.url(RUNTIME),
            database: Some(database),
            path: PathBuf::new(),
            _folder: None,
        };
        site.furnish(territories).expect("the territories are registered");
        site
    }

    /// The database, which must be one of PostgreSQL.
    ///
    /// # Panics
    /// If it is a file.
    #[must_use]
    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("a site on PostgreSQL")
    }

    /// Opens it the straight way.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn open(&self) -> BlockingService {
        BlockingService::open(&self.straight, TestKey::new()).expect("the service opens")
    }

    /// Everything that is stored, read without the engine.
    #[must_use]
    pub fn raw(&self) -> RawFile {
        self.database.as_ref().map_or_else(|| RawFile::read(&self.path), raw)
    }

    fn furnish(&self, territories: &[String]) -> Result<()> {
        let service = self.open();
        let admin = service.admin(root());
        for territory in territories {
            admin.register_territory(&id(territory))?;
            admin.register_relationship(&id(territory), &id("p-1"), &id("npi-1"))?;
        }
        service.close()
    }
}

/// Makes the schema in an empty database, for services with the test's root key.
///
/// # Errors
/// As `Builder::init`.
pub fn init(database: &Database, settings: &PostgresInit) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(OrderService::builder(database.url(OWNER), TestKey::new()).init(settings))
}

/// What stands in a database that nobody writes.
fn raw(database: &Database) -> RawFile {
    let orders = database.rows(
        "SELECT encode(order_id, 'hex'), territory_id, status, version, \
         ('x' || encode(substring(wrapped FROM 3 FOR 4), 'hex'))::bit(32)::int, \
         coalesce(wrapped, seal, f1, f2, f3, f4, f5) IS NULL FROM medorder.orders",
    );
    let orders = orders.into_iter().map(|row| {
        let order = RawOrder {
            territory: row[1].clone(),
            status: row[2].clone(),
            version: number(&row[3]),
            key: (!row[4].is_empty()).then(|| row[4].parse().expect("a version")),
            bare: row[5] == "t",
        };
        (order_id(&row[0]), order)
    });
    let entries = database.rows(
        "SELECT territory_id, seq, encode(order_id, 'hex'), action, outcome, new_status, row_version, request_id \
         FROM medorder.audit_entries ORDER BY territory_id, seq",
    );
    let entries = entries.into_iter().map(|row| RawEntry {
        territory: row[0].clone(),
        seq: number(&row[1]),
        order: order_id(&row[2]),
        action: row[3].clone(),
        outcome: row[4].clone(),
        new_status: row[5].clone(),
        version: number(&row[6]),
        request: row[7].clone(),
    });
    let pairs =
        |statement: &str| database.rows(statement).into_iter().map(|row| (row[0].clone(), number(&row[1])));
    let keys =
        "SELECT territory_id, max(version) FROM medorder.keys WHERE purpose = 'data' GROUP BY territory_id";
    let patients = database.rows("SELECT patient_id FROM medorder.relationships");
    RawFile {
        orders: orders.collect(),
        entries: entries.collect(),
        patients: patients.into_iter().map(|mut row| row.swap_remove(0)).collect(),
        keys: pairs(keys).map(|(territory, version)| (territory, version as u32)).collect(),
        heads: pairs("SELECT territory_id, seq FROM medorder.territories").collect(),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn order_id(hex: &str) -> OrderId {
    OrderId::from_bytes(u128::from_str_radix(hex, 16).expect("hexadecimal").to_be_bytes())
}
