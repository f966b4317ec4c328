//! What was shredded is gone from the disk. Of SQLite's file only: PostgreSQL keeps dead rows and its log for a
//! while, and says so.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::HashSet;
use std::path::Path;

use medorder::{DeleteOrder, OrderId, OrderStatus};
use medorder_tests::{World, change, id, request, root};
use rusqlite::Connection;

/// What must not be found any more: wrapped keys and ciphertexts, in pieces, so that a part shows too.
#[derive(Default)]
struct Secrets {
    pieces: HashSet<[u8; 16]>,
}

impl Secrets {
    /// Takes the secrets of these orders as they are stored now.
    fn take(&mut self, path: &Path, orders: &[OrderId], ciphertext: bool) {
        let conn = Connection::open(path).unwrap();
        let columns = if ciphertext { "wrapped, f1, f2, f3, f4, f5" } else { "wrapped" };
        for order in orders {
            let mut one = conn.prepare(&format!("SELECT {columns} FROM orders WHERE order_id = ?1")).unwrap();
            one.query_row([order.as_bytes()], |row| {
                for column in 0..row.as_ref().column_count() {
                    let bytes: Option<Vec<u8>> = row.get(column)?;
                    self.pieces.extend(bytes.iter().flat_map(|bytes| bytes.as_chunks::<16>().0));
                }
                Ok(())
            })
            .unwrap();
        }
    }

    /// How many pieces are in the files of the database at `path`.
    fn found(&self, path: &Path) -> usize {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let files = [std::fs::read(path).unwrap(), std::fs::read(wal).unwrap_or_default()];
        let places = files.iter().flat_map(|bytes| bytes.windows(16));
        places.filter(|window| self.pieces.contains(*window)).count()
    }
}

/// Orders of many sizes that grow as they move, so that rows wander between pages.
async fn wandering(world: &World, count: usize) -> Vec<OrderId> {
    let session = world.all();
    let mut orders = Vec::new();
    for n in 0..count {
        let notes = "n".repeat(1 + n * 37 % 900);
        orders.push(session.create_order(request().notes(notes)).await.unwrap().id);
    }
    for (n, order) in orders.iter().enumerate() {
        let notes = "m".repeat(n * 53 % 1_500 + 1);
        session.update_status(*order, change(OrderStatus::Verified).notes(notes)).await.unwrap();
    }
    for (n, order) in orders.iter().enumerate().filter(|(n, _)| n % 3 > 0) {
        let notes = "o".repeat(n * 71 % 3_000 + 1);
        session.update_status(*order, change(OrderStatus::InProgress).notes(notes)).await.unwrap();
    }
    orders
}

#[tokio::test]
async fn a_deleted_order_is_gone_from_the_disk() {
    let world = World::new().await;
    let orders = wandering(&world, 240).await;
    let (gone, kept): (Vec<_>, Vec<_>) = orders.iter().enumerate().partition(|(n, _)| n % 2 == 0);
    let [gone, kept] = [gone, kept].map(|list| list.into_iter().map(|(_, id)| *id).collect::<Vec<_>>());
    let (mut secrets, mut control) = (Secrets::default(), Secrets::default());
    secrets.take(&world.path, &gone, true);
    control.take(&world.path, &kept, true);
    for order in &gone {
        world.all().delete_order(*order, DeleteOrder::new("entered in error")).await.unwrap();
    }
    world.service.close().await.unwrap();
    // A piece that stands on two pages is not found.
    assert!(control.found(&world.path) * 10 >= control.pieces.len() * 9, "the scan finds what is there");
    assert_eq!(secrets.found(&world.path), 0, "pieces of {} deleted orders", gone.len());
}

#[tokio::test]
async fn keys_wrapped_before_a_rotation_are_gone_from_the_disk() {
    let world = World::new().await;
    let orders = wandering(&world, 240).await;
    let mut secrets = Secrets::default();
    secrets.take(&world.path, &orders, false);
    world.service.admin(root()).rotate_keys(&id("north"), |_| {}).await.unwrap();
    world.service.close().await.unwrap();
    let mut now = Secrets::default();
    now.take(&world.path, &orders, false);
    assert!(now.found(&world.path) * 10 >= now.pieces.len() * 9, "the scan finds what is there");
    assert_eq!(secrets.found(&world.path), 0);
}
