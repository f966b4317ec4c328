//! What was cut off, put back, forged or forked shows, under its right name and at its right place.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::{Arc, Mutex};

use medorder::audit::checkpoint::chain_of;
use medorder::env::{Env, FixedClock, SystemEntropy};
use medorder::service::VerifyReport;
use medorder::{
    AnchorCallback, AnchorFile, AnchorSink, DeleteOrder, Error, ErrorCode, OrderId, OrderService,
    OrderStatus, TestKey, Verdict,
};
use medorder_tests::engine::copied;
use medorder_tests::sql::Sql;
use medorder_tests::{START, World, change, id, request, root};

/// Notes kept in memory: the host's own place.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn sink(&self) -> impl AnchorSink + use<> {
        let (keep, newest) = (self.clone(), self.clone());
        AnchorCallback::new(
            move |note| {
                keep.0.lock().unwrap().push(note.to_owned());
                Ok(())
            },
            move |chain| {
                let notes = newest.all();
                Ok(notes.into_iter().rfind(|note| chain_of(note) == Some(chain)))
            },
        )
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, chain: &str) -> String {
        self.all().into_iter().rfind(|note| chain_of(note) == Some(chain)).expect("a note")
    }
}

async fn anchored_world() -> (World, Notes) {
    let notes = Notes::default();
    let world = World::with(|builder| builder.anchor(notes.sink())).await;
    (world, notes)
}

/// The head's seq of `north`.
fn north(sql: &Sql) -> i64 {
    sql.number("SELECT seq FROM territories WHERE territory_id = 'north'")
}

/// Which entries of `north` stand where `compared` says, such as `> 7`.
fn entries(sql: &Sql, compared: &str) -> String {
    let chain = "pk >> 40 = (SELECT pk FROM territories WHERE territory_id = 'north')";
    let file = format!("{chain} AND pk & 1099511627775 {compared}");
    sql.either(file, format!("territory_id = 'north' AND seq {compared}"))
}

/// Cuts off what stands above `seq` in `north`; answers how many entries.
fn cut(sql: &Sql, seq: i64) -> i64 {
    let above = entries(sql, &format!("> {seq}"));
    let count = sql.number(&format!("SELECT count(*) FROM audit_entries WHERE {above}"));
    sql.run(&format!("DELETE FROM audit_entries WHERE {above}"));
    count
}

/// Makes the head row of `north` agree with the entry at `seq`.
fn set_back(sql: &Sql, seq: i64) {
    let at = entries(sql, &format!("= {seq}"));
    sql.run(&format!(
        "UPDATE territories SET (seq, hash, at) = (SELECT {seq}, hash, at FROM audit_entries WHERE {at}) \
         WHERE territory_id = 'north'"
    ));
}

/// Everything in `orders`, to be put back later.
const KEEP: &str = "CREATE TEMP TABLE kept AS SELECT * FROM orders";
const PUT_BACK: &str = "DELETE FROM orders; INSERT INTO orders SELECT * FROM kept";

/// The territory's own report, which the whole database's must agree with.
async fn judged(world: &World) -> VerifyReport {
    let own = world.session("auditor").verify_audit(None).await.unwrap();
    let all = world.service.admin(root()).verify_audit().await.unwrap();
    let chain = all.chains.iter().find(|chain| chain.territory_id == "north").unwrap();
    assert_eq!((own.verdict, &own.chains[0]), (all.verdict, chain));
    own
}

async fn assert_bad(world: &World, verdict: Verdict, seq: Option<i64>, order: Option<OrderId>, what: &str) {
    let report = judged(world).await;
    let bad = report.chains[0].first_bad.clone().unwrap();
    assert_eq!((report.verdict, bad.what), (verdict, what));
    assert_eq!(bad.seq.map(|seq| seq as i64), seq, "{what}");
    assert_eq!(bad.order_id, order.map(|id| id.to_string()), "{what}");
}

/// No head is signed while something is wrong with one, and the sink stays as it was.
async fn assert_refuses(world: &World, notes: &Notes) {
    let before = notes.all();
    let error = world.service.admin(root()).checkpoint().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AuditBroken);
    assert_eq!(notes.all(), before);
}

#[tokio::test]
async fn a_log_that_lost_its_newest_entries_is_truncated() {
    let (world, notes) = anchored_world().await;
    let order = world.order(OrderStatus::Verified).await;
    let sql = world.sql();
    let seq = north(&sql);
    assert_eq!(cut(&sql, seq - 1), 1);
    assert_bad(&world, Verdict::Truncated, Some(seq), None, "the chain ends below its head row").await;
    assert_refuses(&world, &notes).await;
    // Set back, the head row agrees with the log; the order row still knows of the change that is gone.
    set_back(&sql, seq - 1);
    assert_bad(&world, Verdict::Truncated, None, Some(order), "an order row is newer than its entries").await;
}

#[tokio::test]
async fn a_log_cut_below_its_anchor_is_not_signed_again() {
    let (world, notes) = anchored_world().await;
    world.order(OrderStatus::Verified).await;
    world.service.admin(root()).checkpoint().await.unwrap();
    let sql = world.sql();
    let seq = north(&sql);
    assert_eq!(cut(&sql, seq - 1), 1);
    set_back(&sql, seq - 1);
    assert_eq!(judged(&world).await.verdict, Verdict::Truncated);
    assert_refuses(&world, &notes).await;
}

#[tokio::test]
async fn a_log_without_a_middle_entry_is_tampered_with() {
    let world = World::new().await;
    world.order(OrderStatus::Completed).await;
    let sql = world.sql();
    let seq = north(&sql);
    for gone in 1..seq {
        let one = entries(&sql, &format!("= {gone}"));
        sql.run(&format!(
            "CREATE TEMP TABLE kept AS SELECT * FROM audit_entries WHERE {one}; \
             DELETE FROM audit_entries WHERE {one}"
        ));
        let what = "an entry is missing or does not hold";
        assert_bad(&world, Verdict::Tampered, Some(gone), None, what).await;
        sql.run("INSERT INTO audit_entries SELECT * FROM kept; DROP TABLE kept");
    }
    assert_eq!(judged(&world).await.verdict, Verdict::Intact);
}

#[tokio::test]
async fn the_first_bad_record_is_named() {
    let world = World::new().await;
    let mut orders = Vec::new();
    for status in [OrderStatus::PendingVerification, OrderStatus::Verified, OrderStatus::Completed] {
        orders.push(world.order(status).await);
    }
    let sql = world.sql();
    let seq = north(&sql);
    for bad in 1..=seq {
        let set = |value: &str, compared: String| {
            sql.run(&format!(
                "UPDATE audit_entries SET user_id = {value} WHERE {}",
                entries(&sql, &compared)
            ));
        };
        set("user_id || 'x'", format!(">= {bad}"));
        let what = "an entry is missing or does not hold";
        assert_bad(&world, Verdict::Tampered, Some(bad), None, what).await;
        set("rtrim(user_id, 'x')", "> 0".to_owned());
    }
    for order in &orders {
        let set = |step: &str| {
            let from = sql.blob(order.as_bytes());
            sql.run(&format!("UPDATE orders SET created_at = created_at {step} WHERE order_id >= {from}"));
        };
        set("+ 1");
        assert_bad(&world, Verdict::Tampered, None, Some(*order), "an order row does not open").await;
        set("- 1");
    }
    assert_eq!(judged(&world).await.verdict, Verdict::Intact);
}

#[tokio::test]
async fn order_rows_that_go_or_come_are_tampering() {
    let world = World::new().await;
    let order = world.order(OrderStatus::Verified).await;
    let sql = world.sql();
    sql.run(&format!("{KEEP}; DELETE FROM orders"));
    assert_bad(&world, Verdict::Tampered, None, Some(order), "an order row is missing").await;
    sql.run("INSERT INTO orders SELECT * FROM kept");
    assert_eq!(judged(&world).await.verdict, Verdict::Intact);

    let forged = OrderId::from_bytes([0xf0; 16]);
    let second = sql.either("pk = 99, ", "");
    sql.run(&format!("UPDATE kept SET {second}order_id = {}", sql.blob(forged.as_bytes())));
    sql.run("INSERT INTO orders SELECT * FROM kept");
    assert_bad(&world, Verdict::Tampered, None, Some(forged), "an order row does not open").await;
    sql.run(&format!("DELETE FROM orders WHERE order_id = {}", sql.blob(forged.as_bytes())));

    // The same row in another territory: that territory's key does not open it.
    let own = sql.blob(order.as_bytes());
    let elsewhere = sql.either("territory_pk = territory_pk + 1", "territory_id = 'south'");
    sql.run(&format!("UPDATE kept SET order_id = {own}, {elsewhere}"));
    sql.run("INSERT INTO orders SELECT * FROM kept");
    let report = world.service.admin(root()).verify_audit().await.unwrap();
    let south = report.chains.iter().find(|chain| chain.territory_id == "south").unwrap();
    assert_eq!((report.verdict, south.verdict), (Verdict::Tampered, Verdict::Tampered));
    assert_eq!(south.first_bad.as_ref().unwrap().order_id, Some(order.to_string()));

    // In a territory that does not exist nobody would ever read it.
    sql.run(sql.either(
        "UPDATE orders SET territory_pk = 77 WHERE pk = 99",
        "UPDATE orders SET territory_id = 'nowhere' WHERE territory_id = 'south'",
    ));
    let report = world.session("auditor").verify_audit(None).await.unwrap();
    assert_eq!(report.verdict, Verdict::Tampered);
    assert_eq!(
        report.chains[1].first_bad.as_ref().unwrap().what,
        "an order row or an entry stands in no chain"
    );
}

#[tokio::test]
async fn a_row_put_back_to_an_older_version_shows_and_cannot_advance() {
    let (world, _notes) = anchored_world().await;
    let order = world.order(OrderStatus::Verified).await;
    let sql = world.sql();
    sql.run(KEEP);
    world.all().update_status(order, change(OrderStatus::InProgress)).await.unwrap();
    sql.run(PUT_BACK);
    assert_bad(&world, Verdict::Tampered, None, Some(order), "an order row is older than its entries").await;
    let error = world.all().update_status(order, change(OrderStatus::InProgress)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::IntegrityViolation);
    let error = world.all().delete_order(order, DeleteOrder::new("no longer wanted")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::IntegrityViolation);
    assert_bad(&world, Verdict::Tampered, None, Some(order), "an order row is older than its entries").await;
}

#[tokio::test]
async fn a_deleted_order_that_comes_back_is_tampering() {
    let world = World::new().await;
    let order = world.order(OrderStatus::Verified).await;
    let sql = world.sql();
    sql.run(KEEP);
    world.all().delete_order(order, DeleteOrder::new("entered in error")).await.unwrap();
    sql.run(PUT_BACK);
    assert_bad(&world, Verdict::Tampered, None, Some(order), "an order row is older than its entries").await;
    sql.run("UPDATE orders SET version = version + 1");
    assert_bad(&world, Verdict::Tampered, None, Some(order), "an order row does not open").await;
}

#[tokio::test]
async fn a_head_row_that_disagrees_with_its_last_entry_is_tampering() {
    let (world, notes) = anchored_world().await;
    world.order(OrderStatus::Verified).await;
    let sql = world.sql();
    let seq = north(&sql);
    sql.run("CREATE TEMP TABLE kept AS SELECT * FROM territories");
    let zero = format!("hash = {}", sql.blob(&[0; 32]));
    for (set, bad, what) in [
        ("seq = seq - 1", seq, "the head row is below the last entry"),
        (&*zero, seq, "the head row is unlike the last entry"),
        ("at = at + 1", seq, "the head row is unlike the last entry"),
    ] {
        sql.run(&format!("UPDATE territories SET {set} WHERE territory_id = 'north'"));
        assert_bad(&world, Verdict::Tampered, Some(bad), None, what).await;
        assert_refuses(&world, &notes).await;
        sql.run(
            "UPDATE territories SET (seq, hash, at) = (SELECT seq, hash, at FROM kept \
             WHERE kept.territory_id = 'north') WHERE territory_id = 'north'",
        );
    }
    assert_eq!(judged(&world).await.verdict, Verdict::Intact);
}

#[tokio::test]
async fn an_older_file_shows_by_its_anchor_alone() {
    let notes = Notes::default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("anchor");
    let world = World::with(|builder| builder.anchor(AnchorFile::open(&file).unwrap())).await;
    let admin = world.service.admin(root());
    world.order(OrderStatus::Verified).await;
    let older = copied(&world, "older.db").await;
    world.order(OrderStatus::Verified).await;
    // What is done with the older file below must not reach the anchored entry of the system chain: from
    // there on the file is a fork, and that is tampering.
    for _ in 0..8 {
        admin.verify_audit().await.unwrap();
    }
    let signed = admin.checkpoint().await.unwrap();
    notes.0.lock().unwrap().extend(signed);
    world.service.close().await.unwrap();

    let alone = OrderService::open(&older, TestKey::new()).await.unwrap();
    let auditor = alone.session(root(), id("north"));
    let report = auditor.verify_audit(None).await.unwrap();
    assert_eq!((report.verdict, report.anchored), (Verdict::Intact, false));
    let report = auditor.verify_audit(Some(&notes.of("north"))).await.unwrap();
    assert_eq!((report.verdict, report.anchored), (Verdict::RolledBack, true));
    let error = auditor.verify_audit(Some(&notes.of("south"))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AuditBroken);
    let error = auditor.verify_audit(Some("medorder/north\n")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AuditBroken);
    alone.close().await.unwrap();

    for by_file in [true, false] {
        let builder = OrderService::builder(&older, TestKey::new());
        let builder = match by_file {
            true => builder.anchor(AnchorFile::open(&file).unwrap()),
            false => builder.anchor(notes.sink()),
        };
        let service = builder.open().await.unwrap();
        let report = service.session(root(), id("north")).verify_audit(None).await.unwrap();
        assert_eq!((report.verdict, report.anchored), (Verdict::RolledBack, true));
        let report = service.admin(root()).verify_audit().await.unwrap();
        assert_eq!((report.verdict, report.anchored), (Verdict::RolledBack, true));
        let (in_file, in_memory) = (std::fs::read(&file).unwrap(), notes.all());
        let error = service.admin(root()).checkpoint().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::AuditBroken);
        assert_eq!(service.close().await.unwrap_err().code(), ErrorCode::AuditBroken);
        assert_eq!((std::fs::read(&file).unwrap(), notes.all()), (in_file, in_memory));
    }
}

#[tokio::test]
async fn a_fork_is_tampering_at_the_anchored_entry() {
    let (world, notes) = anchored_world().await;
    let fork = copied(&world, "fork.db").await;
    world.order(OrderStatus::Verified).await;
    world.service.admin(root()).checkpoint().await.unwrap();
    let anchored = north(&world.sql());
    world.service.close().await.unwrap();

    let service = OrderService::builder(&fork, TestKey::new()).anchor(notes.sink()).open().await.unwrap();
    let session = service.session(root(), id("north"));
    for _ in 0..4 {
        session.create_order(request()).await.unwrap();
    }
    let report = session.verify_audit(None).await.unwrap();
    let bad = report.chains[0].first_bad.clone().unwrap();
    assert_eq!((report.verdict, bad.seq), (Verdict::Tampered, Some(anchored as u64)));
    assert_eq!(bad.what, "another entry was anchored at this position");
    let before = notes.all();
    assert_eq!(service.admin(root()).checkpoint().await.unwrap_err().code(), ErrorCode::AuditBroken);
    assert_eq!(notes.all(), before);
}

#[tokio::test]
async fn a_sink_that_does_not_answer_is_an_error_and_no_verdict() {
    let down = || Error::new(ErrorCode::Internal, "the witness is down");
    let world = World::with(|builder| {
        builder.anchor(AnchorCallback::new(move |_| Err(down()), move |_| Err(down())))
    })
    .await;
    let unavailable = ErrorCode::StorageUnavailable;
    assert_eq!(world.session("auditor").verify_audit(None).await.unwrap_err().code(), unavailable);
    let admin = world.service.admin(root());
    assert_eq!(admin.verify_audit().await.unwrap_err().code(), unavailable);
    assert_eq!(admin.checkpoint().await.unwrap_err().code(), unavailable);
    assert_eq!(world.service.close().await.unwrap_err().code(), unavailable);

    let lying = AnchorCallback::new(|_: &str| Ok(()), |_: &str| Ok(Some("medorder/x/north\n1\n".to_owned())));
    let world = World::with(|builder| builder.anchor(lying)).await;
    let error = world.session("auditor").verify_audit(None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AuditBroken);
}

#[tokio::test]
async fn a_checkpoint_is_kept_at_close_and_after_ten_minutes_of_activity() {
    let notes = Notes::default();
    let clock = Arc::new(FixedClock::at(START));
    let env = Env { clock: clock.clone(), entropy: Arc::new(SystemEntropy) };
    let world = World::with(|builder| builder.anchor(notes.sink()).env(env)).await;
    clock.advance(599_999_999);
    world.order(OrderStatus::Verified).await;
    assert_eq!(notes.all(), Vec::<String>::new());
    clock.advance(1);
    let order = world.order(OrderStatus::Verified).await;
    // Signed in the background, one note a chain.
    while notes.all().len() < 3 {
        tokio::task::yield_now().await;
    }
    clock.advance(1_000_000);
    world.all().delete_order(order, DeleteOrder::new("entered in error")).await.unwrap();
    assert_eq!(notes.all().len(), 3);
    world.service.close().await.unwrap();
    let all = notes.all();
    let new: Vec<_> = all[3..].iter().map(|note| chain_of(note).unwrap()).collect();
    assert_eq!(new, ["north"], "the other heads are anchored already");
    let service =
        OrderService::builder(&world.path, TestKey::new()).anchor(notes.sink()).open().await.unwrap();
    let report = service.admin(root()).verify_audit().await.unwrap();
    assert_eq!((report.verdict, report.anchored), (Verdict::Intact, true));
}

/// What verification does not see, and need not: an order's key wrapped as before a rotation is the same key, and
/// a rotation that stopped half way looks the same. The next one finishes it.
#[tokio::test]
async fn an_older_wrap_opens_the_same_order_and_the_next_rotation_renews_it() {
    let world = World::new().await;
    let order = world.order(OrderStatus::Verified).await;
    let truth = world.all().order(order, None).await.unwrap();
    let sql = world.sql();
    let wrapped = || sql.bytes("SELECT wrapped FROM orders");
    let old = wrapped();
    let admin = world.service.admin(root());
    admin.rotate_keys(&id("north"), |_| {}).await.unwrap();
    assert_ne!(wrapped(), old);
    sql.run(&format!("UPDATE orders SET wrapped = {}", sql.blob(&old)));
    assert_eq!(world.all().order(order, None).await.unwrap(), truth);
    assert_eq!(judged(&world).await.verdict, Verdict::Intact);
    let report = admin.rotate_keys(&id("north"), |_| {}).await.unwrap();
    assert_eq!((report.version, report.rewrapped, report.resumed), (2, 1, true));
    assert_ne!(wrapped(), old);
    assert_eq!(world.all().order(order, None).await.unwrap(), truth);
}

/// A checkpoint looks at heads alone (their whole past is verification's to judge), so damage before the head
/// is signed over and stays damage.
#[tokio::test]
async fn a_checkpoint_launders_nothing() {
    let (world, notes) = anchored_world().await;
    world.order(OrderStatus::Completed).await;
    let sql = world.sql();
    let seq = north(&sql);
    sql.run(&format!("DELETE FROM audit_entries WHERE {}", entries(&sql, &format!("= {}", seq - 3))));
    world.service.admin(root()).checkpoint().await.unwrap();
    assert_eq!(notes.all().len(), 3);
    let what = "an entry is missing or does not hold";
    assert_bad(&world, Verdict::Tampered, Some(seq - 3), None, what).await;
}

#[test]
fn a_verdict_has_the_documented_name_and_exit_code() {
    let table = [Verdict::Intact, Verdict::Tampered, Verdict::Truncated, Verdict::RolledBack]
        .map(|verdict| (verdict.name(), verdict.exit_code()));
    assert_eq!(table, [("intact", 0), ("tampered", 2), ("truncated", 3), ("rolled_back", 4)]);
    assert!(Verdict::Tampered < Verdict::Truncated && Verdict::Truncated < Verdict::RolledBack);
}
