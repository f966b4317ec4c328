//! Whoever can write the database changes one thing at a time, over a hundred thousand times; none of it goes
//! unnoticed, none of it panics, and no error tells what the database holds.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use medorder::service::{Admin, AuditFilter, BlockingAdmin, BlockingService, BlockingSession, VerifyReport};
use medorder::storage::Storage;
use medorder::storage::sqlite::{SqliteOptions, SqliteStorage};
use medorder::{
    DeleteOrder, Error, ErrorCode, KeyError, KeyProvider, Order, OrderFilter, OrderId, OrderService,
    OrderStatus, Result, TestKey, Verdict,
};
use medorder_tests::dry::Dry;
use medorder_tests::mutate::{Cell, Change, Row, Table};
use medorder_tests::{World, change, id, path_to, request, root};
use rusqlite::Connection;
use zeroize::Zeroizing;

const TERRITORIES: [&str; 3] = ["north", "south", "west"];

/// What stands in the orders' PHI and must stand in no error.
const PHI: [&str; 5] = ["MRI", "claustrophobic", "G43", "Prairie", "marker"];

/// What became of the changes of one column by one kind.
#[derive(Clone, Copy, Default)]
struct Tally {
    by_read: u64,
    by_verify: u64,
    refused: u64,
    harmless: u64,
}

/// Wraps by adding the context: for campaigns that leave the key rows alone.
struct Plain;

impl KeyProvider for Plain {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok([&key[..], context].concat())
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        match blob.split_first_chunk() {
            Some((key, rest)) if rest == context => Ok(Zeroizing::new(*key)),
            _ => Err(KeyError::Refused),
        }
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// A small database that somebody else can write too.
struct Campaign {
    conn: Connection,
    service: BlockingService,
    admin: BlockingAdmin,
    sessions: BTreeMap<&'static str, BlockingSession>,
    /// What each order's read answers while nothing is changed.
    true_reads: BTreeMap<(String, Vec<u8>), std::result::Result<Order, ErrorCode>>,
    /// Territory by `territories.pk`; the system chain is empty.
    names: BTreeMap<i64, String>,
    /// Every image that an order row ever had.
    past: Vec<Row>,
    tallies: BTreeMap<(String, &'static str), Tally>,
    asked: u64,
    _world: World,
}

impl Campaign {
    /// A campaign against the key rows has a real provider, and keeps no key, so that every read meets the rows
    /// as they are. Elsewhere a provider that costs nothing does.
    async fn new(keys: bool) -> Self {
        let world = World::with(|builder| builder.synchronous(medorder::Synchronous::Normal)).await;
        let past = furnish(&world).await.expect("the orders are made");
        if !keys {
            world.service.admin(root()).change_root(Plain, |_| {}).await.expect("the root changes");
        }
        world.service.close().await.expect("the service closes");
        let conn = open(&world.path);
        let engine = SqliteStorage::open(&world.path, SqliteOptions::default(), None).unwrap().unwrap();
        let dry: Arc<dyn Storage> = Arc::new(Dry(Arc::new(engine)));
        let builder = match keys {
            true => OrderService::builder(&world.path, TestKey::new()).key_cache_ttl(Duration::ZERO),
            false => OrderService::builder(&world.path, Plain),
        };
        let service = builder.storage(dry).open().await.unwrap().blocking();
        let admin = service.admin(root());
        let sessions = TERRITORIES.map(|name| (name, service.session(root(), id(name)))).into();
        let mut names = BTreeMap::new();
        let mut statement = conn.prepare("SELECT pk, territory_id FROM territories").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
        names.extend(rows.unwrap().map(|row| row.unwrap()));
        drop(statement);
        let mut campaign = Self {
            conn,
            service,
            admin,
            sessions,
            true_reads: BTreeMap::new(),
            names,
            past,
            tallies: BTreeMap::new(),
            asked: 0,
            _world: world,
        };
        assert_eq!(campaign.admin.verify_audit().unwrap().verdict, Verdict::Intact);
        let orders = Table::new(&campaign.conn, "orders");
        for row in orders.rows(&campaign.conn) {
            let (name, key) = campaign.place(&orders, &row);
            let read = campaign.read(&name, &key).map_err(|error| error.code());
            campaign.true_reads.insert((name, key), read);
        }
        campaign
    }

    /// Territory and id of an order row.
    fn place(&self, orders: &Table, row: &Row) -> (String, Vec<u8>) {
        let (Cell::Int(pk), Cell::Blob(key)) = (&row[orders.at("territory_pk")], &row[orders.at("order_id")])
        else {
            unreachable!("an order row that this library wrote")
        };
        (self.names[pk].clone(), key.clone())
    }

    fn read(&self, territory: &str, key: &[u8]) -> Result<Order> {
        let id = OrderId::from_bytes(key.try_into().expect("16 bytes"));
        self.sessions[territory].order(id, None)
    }

    /// Makes the change, asks, and takes it back. `ask` is whatever reads the changed rows; it answers true if
    /// it noticed.
    fn play(&mut self, table: &Table, change: &Change, ask: impl Fn(&Self) -> bool) {
        let tally =
            self.tallies.entry((format!("{}.{}", table.name, change.column), change.kind)).or_default();
        if !table.apply(&self.conn, &change.out, &change.into) {
            tally.refused += 1;
            return;
        }
        let by_read = ask(self);
        let by_verify = self.verify_notices(table, change);
        assert!(table.apply(&self.conn, &change.into, &change.out), "the change is taken back: {change:?}");
        // `orders.pk` is a row number that nothing refers to: the same row under another one is the same row.
        let harmless = table.name == "orders" && change.column == "pk";
        assert!(by_verify != harmless, "{}.{} {}: {change:?}", table.name, change.column, change.kind);
        let tally =
            self.tallies.entry((format!("{}.{}", table.name, change.column), change.kind)).or_default();
        match (harmless, by_read) {
            (true, _) => tally.harmless += 1,
            (_, true) => tally.by_read += 1,
            _ => tally.by_verify += 1,
        }
        self.asked += 1;
    }

    /// The territory's own verification, and if that is content the whole database's.
    fn verify_notices(&self, table: &Table, change: &Change) -> bool {
        let territory = match (table.name, change.out.first()) {
            ("orders", Some(row)) => Some(self.place(table, row).0),
            ("keys", Some(row)) => match &row[1] {
                Cell::Text(name) => String::from_utf8(name.clone()).ok(),
                _ => None,
            },
            ("audit_entries", Some(row)) => Some(self.chain(row).to_owned()),
            _ => None,
        };
        let own = territory.and_then(|name| self.sessions.get(name.as_str()));
        own.is_some_and(|session| noticed(session.verify_audit(None))) || noticed(self.admin.verify_audit())
    }

    /// The chain of an entry that this library wrote.
    fn chain(&self, row: &Row) -> &str {
        let Cell::Int(pk) = row[0] else { unreachable!("the key is a number") };
        &self.names[&(pk >> 40)]
    }

    /// Reads of an order row: true content, the code of damage, or nothing there.
    fn ask_order(&self, orders: &Table, change: &Change) -> bool {
        let mut noticed = false;
        for row in &change.out {
            let place = self.place(orders, row);
            let truth = &self.true_reads[&place];
            match self.read(&place.0, &place.1) {
                Ok(order) => assert_eq!(Ok(&order), truth.as_ref(), "{change:?}"),
                Err(error) => {
                    let gone =
                        matches!(error.code(), ErrorCode::OrderNotFound | ErrorCode::TerritoryMismatch);
                    assert!(gone || is_damage(&error), "{error:?} {change:?}");
                    assert_clean(&error);
                    noticed |= !gone;
                }
            }
        }
        noticed
    }

    /// Reads of a chain.
    fn ask_chain(&self, change: &Change) -> bool {
        let Some(row) = change.out.first() else { return false };
        let Some(session) = self.sessions.get(self.chain(row)) else { return false };
        let mut damage = false;
        let mut judge = |error: &Error| {
            assert!(is_damage(error), "{error:?} {change:?}");
            assert_clean(error);
            damage = true;
        };
        if let Err(error) = session.audit(&AuditFilter::default(), 0, 500) {
            judge(&error);
        }
        let mut export = session.export_audit().expect("an export begins");
        if let Err(error) = export.next_page() {
            judge(&error);
        }
        damage
    }

    /// A read of an order in the territory that the key is of.
    fn ask_keys(&self) -> bool {
        let mut damage = false;
        for ((territory, key), truth) in &self.true_reads {
            match (self.read(territory, key), truth) {
                (Ok(order), truth) => assert_eq!(Ok(&order), truth.as_ref()),
                (Err(error), Err(code)) if error.code() == *code => {}
                (Err(error), _) => {
                    assert!(is_damage(&error), "{error:?}");
                    damage = true;
                }
            }
        }
        damage
    }

    /// Prints what was done and checks that all of it was taken back.
    #[expect(clippy::print_stderr, reason = "the table of the campaign")]
    fn finish(self, least: u64) {
        let report = self.admin.verify_audit().unwrap();
        assert_eq!(report.verdict, Verdict::Intact, "{report:?}");
        let (mut changes, mut refused) = (0, 0);
        eprintln!(
            "{:<28} {:<18} {:>8} {:>9} {:>8} {:>9}",
            "column", "kind", "by read", "by verify", "refused", "harmless"
        );
        for ((column, kind), tally) in &self.tallies {
            let Tally { by_read, by_verify, refused: no, harmless } = tally;
            eprintln!("{column:<28} {kind:<18} {by_read:>8} {by_verify:>9} {no:>8} {harmless:>9}");
            changes += by_read + by_verify;
            refused += no;
        }
        eprintln!("{changes} changes noticed, {refused} refused by the schema");
        assert!(changes >= least, "{changes} changes are fewer than {least}");
        self.service.close().unwrap();
    }
}

/// Orders of every status in three territories under several key versions, and every image their rows had.
async fn furnish(world: &World) -> Result<Vec<Row>> {
    use OrderStatus::{Cancelled, Completed, InProgress, PendingVerification, Rejected, Verified};
    let admin: Admin = world.service.admin(root());
    admin.register_territory(&id("west")).await?;
    let conn = open(&world.path);
    let orders = Table::new(&conn, "orders");
    let mut past = Vec::new();
    let plan: [(&str, &[OrderStatus]); 3] = [
        ("north", &[PendingVerification, Verified, Rejected, InProgress, Verified]),
        ("south", &[Completed, Cancelled, PendingVerification, InProgress]),
        ("west", &[PendingVerification, Verified, Completed]),
    ];
    for (n, (territory, statuses)) in plan.into_iter().enumerate() {
        let (patient, provider) = (format!("p-{n}"), format!("npi-{n}"));
        admin.register_relationship(&id(territory), &id(&patient), &id(&provider)).await?;
        let session = world.service.session(root(), id(territory));
        let mut last = None;
        for (m, status) in statuses.iter().enumerate() {
            let new = medorder::CreateOrder::new(&*patient, &*provider, format!("MRI marker {m}"));
            let mut new = new.diagnosis_code("G43.9").notes("claustrophobic");
            if m % 2 == 0 {
                new = new.insurance(medorder::Insurance::new("Prairie Mutual", "POL-1"));
            }
            let order = session.create_order(new).await?.id;
            past.extend(orders.rows(&conn));
            for step in path_to(*status) {
                session.update_status(order, change(step).notes(format!("marker {m}"))).await?;
                past.extend(orders.rows(&conn));
            }
            if m == 1 {
                admin.rotate_keys(&id(territory), |_| {}).await?;
            }
            last = Some(order);
        }
        session.orders(&OrderFilter::default(), None, 10, None).await?;
        session.audit(&AuditFilter::default(), 0, 10).await?;
        session.delete_order(last.expect("an order"), DeleteOrder::new("entered in error")).await?;
        let stranger = world.service.session(medorder_tests::actor("auditor"), id(territory));
        assert!(stranger.create_order(request()).await.is_err());
    }
    admin.rotate_keys(&id("north"), |_| {}).await?;
    past.extend(orders.rows(&conn));
    Ok(past)
}

fn open(path: &Path) -> Connection {
    let conn = Connection::open(path).expect("the file opens a second time");
    conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA busy_timeout = 5000;").expect("settings");
    conn.set_prepared_statement_cache_capacity(64);
    conn
}

fn is_damage(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::IntegrityViolation | ErrorCode::AuditBroken | ErrorCode::KeyMismatch)
}

fn assert_clean(error: &Error) {
    let text = format!("{error} {error:?} {:?}", error.details());
    assert!(!PHI.iter().any(|word| text.contains(word)), "{text}");
}

/// True if a verification did not find the database intact.
fn noticed(report: Result<VerifyReport>) -> bool {
    match report {
        Ok(report) => {
            let text = format!("{report:?}");
            assert!(!PHI.iter().any(|word| text.contains(word)), "{text}");
            report.verdict != Verdict::Intact
        }
        Err(error) => {
            assert!(is_damage(&error), "{error:?}");
            assert_clean(&error);
            true
        }
    }
}

fn row_change(kind: &'static str, out: Vec<Row>, into: Vec<Row>) -> Change {
    Change { column: "row".to_owned(), kind, out, into }
}

/// A row but for one cell.
fn but(row: &Row, n: usize, cell: Cell) -> Row {
    let mut row = row.clone();
    row[n] = cell;
    row
}

/// A row that lends values to row `n`: its neighbour, and one far away.
fn lenders(rows: &[Row], n: usize) -> [&Row; 2] {
    [&rows[(n + 1) % rows.len()], &rows[(n + rows.len() / 2) % rows.len()]]
}

#[tokio::test]
async fn no_change_of_an_order_row_goes_unnoticed() {
    let mut campaign = Campaign::new(false).await;
    let orders = Table::new(&campaign.conn, "orders");
    let rows = orders.rows(&campaign.conn);
    let [pk, territory, order_id, wrapped] =
        ["pk", "territory_pk", "order_id", "wrapped"].map(|name| orders.at(name));
    let mut changes = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        changes.extend(orders.changes(row, &lenders(&rows, n), 2));
        changes.push(row_change("delete", vec![row.clone()], vec![]));
        let copy = but(row, pk, Cell::Int(1_000));
        for elsewhere in [-1, 0, 1, 2, 3, 4, 9, i64::MAX] {
            changes.push(row_change(
                "copy elsewhere",
                vec![],
                vec![but(&copy, territory, Cell::Int(elsewhere))],
            ));
        }
        for id in [vec![], vec![0; 16], vec![0xff; 16], vec![1; 15], vec![1; 17]] {
            changes.push(row_change("copy under an id", vec![], vec![but(&copy, order_id, Cell::Blob(id))]));
        }
        for old in campaign.past.iter().filter(|old| old[pk] == row[pk]) {
            // An older wrap of the same key opens the same order: a rotation that is not finished looks the same.
            if but(old, wrapped, Cell::Null) != but(row, wrapped, Cell::Null) {
                changes.push(row_change("older image", vec![row.clone()], vec![old.clone()]));
            }
        }
    }
    for change in &changes {
        let older = change.kind == "older image";
        campaign.play(&orders, change, |campaign| !older && campaign.ask_order(&orders, change));
    }
    campaign.finish(25_000);
}

#[tokio::test]
async fn no_change_of_an_entry_goes_unnoticed() {
    let mut campaign = Campaign::new(false).await;
    let entries = Table::new(&campaign.conn, "audit_entries");
    let rows = entries.rows(&campaign.conn);
    assert!(rows.len() >= 60, "{}", rows.len());
    for (n, row) in rows.iter().enumerate() {
        let mut changes = entries.changes(row, &lenders(&rows, n), 3);
        changes.push(row_change("delete", vec![row.clone()], vec![]));
        for chain in [-1, 0, 1, 2, 3, 4, 9] {
            for seq in [0, 1, 5, 1_000, (1 << 40) - 1] {
                let copy = but(row, 0, Cell::Int(chain << 40 | seq));
                changes.push(row_change("copy elsewhere", vec![], vec![copy]));
            }
        }
        for (m, change) in changes.iter().enumerate() {
            let asked = m % 16 == 0;
            campaign.play(&entries, change, |campaign| asked && campaign.ask_chain(change));
        }
    }
    campaign.finish(65_000);
}

#[tokio::test]
async fn no_change_of_a_key_row_goes_unnoticed() {
    let mut campaign = Campaign::new(true).await;
    let keys = Table::new(&campaign.conn, "keys");
    let rows = keys.rows(&campaign.conn);
    let mut changes = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        changes.extend(keys.changes(row, &lenders(&rows, n), 1));
        changes.push(row_change("delete", vec![row.clone()], vec![]));
        for (column, cell) in [
            (0, Cell::Text(b"junk".to_vec())),
            (0, Cell::Text(b"data".to_vec())),
            (0, Cell::Text(Vec::new())),
            (1, Cell::Text(b"nowhere".to_vec())),
            (1, Cell::Text(b"south".to_vec())),
            (2, Cell::Int(-1)),
            (2, Cell::Int(0)),
            (2, Cell::Int(7)),
            (2, Cell::Int(1 << 40)),
        ] {
            changes.push(row_change("copy elsewhere", vec![], vec![but(row, column, cell)]));
        }
    }
    for (n, change) in changes.iter().enumerate() {
        campaign.play(&keys, change, |campaign| n % 4 == 0 && campaign.ask_keys());
    }
    campaign.finish(10_000);
}
