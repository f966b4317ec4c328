//! The floor's verification on PostgreSQL: the chain in pages.

use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use crate::seal::{Keys, TERRITORY};

fn lp(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Recomputes the whole chain from the stored columns; returns how many entries it has.
pub(super) async fn verify(conn: &mut PgConnection, keys: &Keys) -> usize {
    let query = "SELECT seq, at, user_id, role, purpose, order_id, action, outcome, old_status, new_status, row_version, \
         row_mac, fields, request_id, source, details, hash, mac FROM medorder.audit_entries \
         WHERE territory_id = $1 AND seq > $2 ORDER BY seq LIMIT 5000";
    let mut genesis = Vec::new();
    lp(&mut genesis, "medorder/v1/genesis");
    lp(&mut genesis, TERRITORY);
    let mut prev: [u8; 32] = Sha256::digest(&genesis).into();
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
            text.clear();
            lp(&mut text, "medorder/v1/audit");
            lp(&mut text, TERRITORY);
            text.extend_from_slice(&number(0).to_be_bytes());
            text.extend_from_slice(&prev);
            text.extend_from_slice(&number(1).to_be_bytes());
            for n in 2..5 {
                lp(&mut text, words(n));
            }
            text.extend_from_slice(bytes(5));
            for n in 6..10 {
                lp(&mut text, words(n));
            }
            text.extend_from_slice(&number(10).to_be_bytes());
            text.extend_from_slice(bytes(11));
            text.extend_from_slice(&(number(12) as u32).to_be_bytes());
            lp(&mut text, words(13));
            lp(&mut text, words(14));
            text.extend_from_slice(&Sha256::digest(bytes(15)));
            prev = Sha256::digest(&text).into();
            assert!(prev == bytes(16) && keys.entry_mac(&prev) == bytes(17), "entry {count}");
            count += 1;
        }
    }
}
