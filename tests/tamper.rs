//! Whoever can write the database changes one thing at a time, over a hundred thousand times on SQLite and
//! thousands of times on PostgreSQL (`MEDORDER_TEST_ENGINE`), where a change takes longer; none of it goes
//! unnoticed, none of it panics, and no error tells what the database holds.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use medorder::AuditFilter;
use medorder::service::{Admin, BlockingAdmin, BlockingService, BlockingSession, VerifyReport};
use medorder::storage::Storage;
use medorder::{
    DeleteOrder, Error, ErrorCode, KeyError, KeyProvider, Order, OrderFilter, OrderId, OrderService,
    OrderStatus, Result, TestKey, Verdict,
};
use medorder_tests::dry::Dry;
use medorder_tests::engine::storage;
use medorder_tests::mutate::{Cell, Change, Row, Table, sample};
use medorder_tests::sql::Sql;
use medorder_tests::{World, change, id, path_to, request, root};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

const TERRITORIES: [&str; 3] = ["north", "south", "west"];

/// How many changes of each column and kind there is time for on PostgreSQL.
const EACH: usize = 4;

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
    conn: Sql,
    service: BlockingService,
    admin: BlockingAdmin,
    sessions: BTreeMap<&'static str, BlockingSession>,
    /// What each order's read answers while nothing is changed.
    true_reads: BTreeMap<(String, Vec<u8>), std::result::Result<Order, ErrorCode>>,
    /// Territory by `territories.pk` of SQLite; the system chain is empty.
    names: BTreeMap<i64, String>,
    /// Every image that an order row ever had.
    past: Vec<Row>,
    tallies: BTreeMap<(String, &'static str), Tally>,
    _world: World,
    _runtime: Runtime,
}

impl Campaign {
    /// A campaign against the key rows has a real provider, and keeps no key, so that every read meets the rows
    /// as they are. Elsewhere a provider that costs nothing does.
    fn new(keys: bool) -> Self {
        let runtime = Runtime::new().unwrap();
        let (world, past) = runtime.block_on(async {
            let world = World::with(|builder| builder.synchronous(medorder::Synchronous::Normal)).await;
            let past = furnish(&world).await.expect("the orders are made");
            if !keys {
                world.service.admin(root()).change_root(Plain, |_| {}).await.expect("the root changes");
            }
            world.service.close().await.expect("the service closes");
            (world, past)
        });
        let conn = world.sql();
        let dry: Arc<dyn Storage> = Arc::new(Dry(runtime.block_on(storage(&world.path))));
        let builder = match keys {
            true => OrderService::builder(&world.path, TestKey::new()).key_cache_ttl(Duration::ZERO),
            false => OrderService::builder(&world.path, Plain),
        };
        let service = runtime.block_on(builder.storage(dry).open()).unwrap().blocking();
        let admin = service.admin(root());
        let sessions = TERRITORIES.map(|name| (name, service.session(root(), id(name)))).into();
        let numbered = conn.either("SELECT pk, territory_id FROM territories", "SELECT 0, '' WHERE false");
        let names = conn.rows(numbered).into_iter().map(|row| match <[_; 2]>::try_from(row) {
            Ok([Some(pk), Some(name)]) => (pk.parse().unwrap(), name),
            other => panic!("{other:?}"),
        });
        let names = names.collect();
        let mut campaign = Self {
            conn,
            service,
            admin,
            sessions,
            true_reads: BTreeMap::new(),
            names,
            past,
            tallies: BTreeMap::new(),
            _world: world,
            _runtime: runtime,
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
        let Cell::Blob(key) = &row[orders.at("order_id")] else {
            unreachable!("an order row that this library wrote")
        };
        (self.territory(orders, row), key.clone())
    }

    /// The territory of a row that this library wrote: SQLite has a number for it, which an entry's key begins
    /// with.
    fn territory(&self, table: &Table, row: &Row) -> String {
        let column = match (table.name, self.conn.is_server()) {
            ("orders", false) => "territory_pk",
            ("audit_entries", false) => "pk",
            _ => "territory_id",
        };
        match &row[table.at(column)] {
            Cell::Text(name) => String::from_utf8(name.clone()).unwrap(),
            Cell::Int(pk) if column == "pk" => self.names[&(pk >> 40)].clone(),
            Cell::Int(pk) => self.names[pk].clone(),
            other => unreachable!("{other:?} is no territory"),
        }
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
        let harmless = !by_verify && is_harmless(table, change);
        assert!(by_verify || harmless, "{}.{} {}: {change:?}", table.name, change.column, change.kind);
        let tally =
            self.tallies.entry((format!("{}.{}", table.name, change.column), change.kind)).or_default();
        match (harmless, by_read) {
            (true, _) => tally.harmless += 1,
            (_, true) => tally.by_read += 1,
            _ => tally.by_verify += 1,
        }
    }

    /// The territory's own verification, and if that is content the whole database's.
    fn verify_notices(&self, table: &Table, change: &Change) -> bool {
        // The damage of a head row may be that the territory is not there any more.
        let row = change.out.first().filter(|_| table.name != "territories");
        let territory = row.map(|row| self.territory(table, row));
        let own = territory.and_then(|name| self.sessions.get(name.as_str()));
        own.is_some_and(|session| noticed(session.verify_audit(None))) || noticed(self.admin.verify_audit())
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
    fn ask_chain(&self, entries: &Table, change: &Change) -> bool {
        let Some(row) = change.out.first() else { return false };
        let Some(session) = self.sessions.get(self.territory(entries, row).as_str()) else { return false };
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

    /// Makes all of the changes, or of each column and kind as many as this engine has time for.
    fn play_all(&mut self, table: &Table, all: Vec<Change>, ask: impl Fn(&Self, usize, &Change) -> bool) {
        let each = self.conn.either(usize::MAX / 4, EACH);
        for (n, change) in sample(all, each).iter().enumerate() {
            self.play(table, change, |campaign| ask(campaign, n, change));
        }
    }

    /// Prints what was done, and checks that all of it was taken back and that no column was left out.
    #[expect(clippy::print_stderr, reason = "the table of the campaign")]
    fn finish(self, table: &Table, on_file: u64, on_server: u64) {
        let least = self.conn.either(on_file, on_server);
        for (n, column) in table.columns.iter().enumerate() {
            let column = format!("{}.{column}", table.name);
            let kinds: BTreeSet<_> =
                self.tallies.keys().filter(|(name, _)| *name == column).map(|(_, kind)| *kind).collect();
            // NULL in a row number of SQLite is no value.
            let row_number = table.key == [n] && !self.conn.is_server();
            assert!(kinds.contains("null") || row_number, "{column}: {kinds:?}");
            assert!(
                kinds.contains("type") && (kinds.contains("bit") || kinds.contains("extend")),
                "{column}"
            );
        }
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
    let conn = world.sql();
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

/// `orders.pk` of SQLite is a row number that nothing refers to: the same row under another one is the same row.
/// Neither the epoch of a territory nor whether it is in service is under a MAC: they tell nothing of any order.
fn is_harmless(table: &Table, change: &Change) -> bool {
    match table.name {
        "orders" => change.column == "pk",
        "territories" => matches!(&*change.column, "epoch" | "active"),
        _ => false,
    }
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

/// A territory that is not `own`, as the column says it.
fn elsewhere(conn: &Sql) -> Vec<Cell> {
    match conn.is_server() {
        false => [-1, 0, 1, 2, 3, 4, 9, i64::MAX].map(Cell::Int).into(),
        true => ["", "north", "south", "west", "nowhere", "zz"].map(|name| Cell::Text(name.into())).into(),
    }
}

#[test]
fn no_change_of_an_order_row_goes_unnoticed() {
    let mut campaign = Campaign::new(false);
    let orders = Table::new(&campaign.conn, "orders");
    let rows = orders.rows(&campaign.conn);
    let territory = orders.at(campaign.conn.either("territory_pk", "territory_id"));
    let [order_id, wrapped] = ["order_id", "wrapped"].map(|name| orders.at(name));
    let mut changes = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        changes.extend(orders.changes(row, &lenders(&rows, n), 2));
        changes.push(row_change("delete", vec![row.clone()], vec![]));
        let copy = match campaign.conn.is_server() {
            false => but(row, orders.at("pk"), Cell::Int(1_000)),
            true => row.clone(),
        };
        for place in elsewhere(&campaign.conn) {
            changes.push(row_change("copy elsewhere", vec![], vec![but(&copy, territory, place.clone())]));
            if place != row[territory] {
                let moved = but(row, territory, place);
                changes.push(row_change("move elsewhere", vec![row.clone()], vec![moved]));
            }
        }
        for id in [vec![], vec![0; 16], vec![0xff; 16], vec![1; 15], vec![1; 17]] {
            changes.push(row_change("copy under an id", vec![], vec![but(&copy, order_id, Cell::Blob(id))]));
        }
        for old in campaign.past.iter().filter(|old| old[order_id] == row[order_id]) {
            // An older wrap of the same key opens the same order: a rotation that is not finished looks the same.
            if but(old, wrapped, Cell::Null) != but(row, wrapped, Cell::Null) {
                changes.push(row_change("older image", vec![row.clone()], vec![old.clone()]));
            }
        }
    }
    campaign.play_all(&orders, changes, |campaign, _, change| {
        change.kind != "older image" && campaign.ask_order(&orders, change)
    });
    campaign.finish(&orders, 25_000, 450);
}

#[test]
fn no_change_of_an_entry_goes_unnoticed() {
    let mut campaign = Campaign::new(false);
    let entries = Table::new(&campaign.conn, "audit_entries");
    let rows = entries.rows(&campaign.conn);
    assert!(rows.len() >= 60, "{}", rows.len());
    let mut changes = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        changes.extend(entries.changes(row, &lenders(&rows, n), 3));
        changes.push(row_change("delete", vec![row.clone()], vec![]));
        for place in elsewhere(&campaign.conn) {
            for seq in [0, 1, 5, 1_000, (1 << 40) - 1] {
                let copy = match &place {
                    Cell::Int(chain) => but(row, 0, Cell::Int((chain % 100) << 40 | seq)),
                    name => but(&but(row, 0, name.clone()), 1, Cell::Int(seq)),
                };
                changes.push(row_change("copy elsewhere", vec![], vec![copy]));
            }
        }
    }
    let often = campaign.conn.either(16, 2);
    campaign.play_all(&entries, changes, |campaign, n, change| {
        n % often == 0 && campaign.ask_chain(&entries, change)
    });
    campaign.finish(&entries, 65_000, 450);
}

#[test]
fn no_change_of_a_key_row_goes_unnoticed() {
    let mut campaign = Campaign::new(true);
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
    campaign.play_all(&keys, changes, |campaign, n, _| n % 4 == 0 && campaign.ask_keys());
    campaign.finish(&keys, 10_000, 100);
}

#[test]
fn no_change_of_a_head_row_goes_unnoticed() {
    let mut campaign = Campaign::new(false);
    let heads = Table::new(&campaign.conn, "territories");
    let rows = heads.rows(&campaign.conn);
    let mut changes = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        changes.extend(heads.changes(row, &lenders(&rows, n), 1));
        changes.push(row_change("delete", vec![row.clone()], vec![]));
    }
    campaign.play_all(&heads, changes, |_, _, _| false);
    campaign.finish(&heads, 1_000, 80);
}
