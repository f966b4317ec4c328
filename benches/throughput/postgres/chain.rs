//! The floor's verification on PostgreSQL: the chain in pages.

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use crate::rows::{entry_hash, genesis_hash};
use crate::seal::{Keys, TERRITORY};

/// Recomputes the whole chain from the stored columns; returns how many entries it has.
pub(super) async fn verify(conn: &mut PgConnection, keys: &Keys) -> usize {
    let query = "SELECT seq, at, user_id, role, purpose, order_id, action, outcome, old_status, new_status, row_version, \
         row_mac, fields, request_id, source, details, hash, mac FROM medorder.audit_entries \
         WHERE territory_id = $1 AND seq > $2 ORDER BY seq LIMIT 5000";
    let mut prev = genesis_hash();
    let (mut count, mut text) = (0_i64, Vec::with_capacity(512));
    loop {
        let page = conn.fetch_all(sqlx::query(query).bind(TERRITORY).bind(count)).await.expect("entries");
        if page.is_empty() {
            return count as usize;
        }
        for row in &page {
            let number = |n: usize| row.get::<i64, _>(n);
            let words = |n: usize| row.get::<&str, _>(n);
            let bytes = |n: usize| row.get::<&[u8], _>(n);
            prev = entry_hash(&mut text, &prev, number(0), number, words, bytes);
            assert!(prev == bytes(16) && keys.entry_mac(&prev) == bytes(17), "entry {count}");
            count += 1;
        }
    }
}
