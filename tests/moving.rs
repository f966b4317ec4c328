//! A file moves into PostgreSQL whole, or not at all.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::sync::mpsc;

use medorder::storage::postgres::PostgresInit;
use medorder::{ErrorCode, TestKey, Verdict, service::BlockingService};
use medorder_tests::postgres::{OWNER, RUNTIME, Server};
use medorder_tests::site::Site;
use medorder_tests::{id, request, root};

fn filled() -> Site {
    let site = Site::sqlite(&["north".to_owned(), "south".to_owned()]);
    let service = site.open();
    for territory in ["north", "south"] {
        for _ in 0..20 {
            service.session(root(), id(territory)).create_order(request()).unwrap();
        }
    }
    service.close().unwrap();
    site
}

#[test]
fn what_is_written_meanwhile_is_not_lost_in_silence() {
    let site = filled();
    let database = Server::shared().database();
    let source = site.open();
    let (tell, told) = mpsc::channel::<()>();
    let (done, wait) = mpsc::channel::<()>();
    let writer = std::thread::spawn({
        let url = site.url.clone();
        move || {
            told.recv().unwrap();
            // Another program, which nobody told to stop.
            let other = BlockingService::open(&url, TestKey::new()).unwrap();
            other.session(root(), id("north")).create_order(request()).unwrap();
            other.close().unwrap();
            done.send(()).unwrap();
        }
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let admin = source.service().admin(root());
    let settings = PostgresInit::new(RUNTIME);
    let (owner, url) = (database.url(OWNER), database.url(RUNTIME));
    let mut first = true;
    let moved = admin.move_to_postgres(&owner, &settings, &url, move |_| {
        if std::mem::take(&mut first) {
            tell.send(()).unwrap();
            wait.recv().unwrap();
        }
    });
    let moved = runtime.block_on(moved);
    writer.join().unwrap();
    assert_eq!(moved.map_err(|error| error.code()), Err(ErrorCode::AuditBroken));
    // The source is what it was, and goes elsewhere once nobody writes it.
    let database = Server::shared().database();
    let url = database.url(RUNTIME);
    runtime.block_on(admin.move_to_postgres(&database.url(OWNER), &settings, &url, |_| ())).unwrap();
    source.close().unwrap();
    let moved = BlockingService::open(&url, TestKey::new()).unwrap();
    assert_eq!(moved.admin(root()).verify_audit().unwrap().verdict, Verdict::Intact);
    let orders = |territory: &str| {
        let page =
            moved.session(root(), id(territory)).orders(&medorder::OrderFilter::new(), None, 100, None);
        page.unwrap().orders.len()
    };
    assert_eq!((orders("north"), orders("south")), (21, 20));
    moved.close().unwrap();
}
