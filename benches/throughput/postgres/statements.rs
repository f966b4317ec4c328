//! The floor's statements on PostgreSQL: one trip each, no transaction around them. For one row plain values, for
//! many rows arrays. What differs between the callers of a real program is sent for each row, also where it is
//! the same here.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor, Row as _};

use crate::rows::{Head, Said};
use crate::seal::{Keys, Row, TERRITORY};

/// A row to write, or to tell of.
pub(super) enum Job {
    Insert(Row),
    Update(Row),
    View(Row),
}

impl Job {
    pub(super) const fn row(&self) -> &Row {
        match self {
            Self::Insert(row) | Self::Update(row) | Self::View(row) => row,
        }
    }

    fn said(&self) -> Said<'_> {
        let row = self.row();
        let (action, old, new, fields) = match self {
            Self::Insert(row) => ("create", "", "pending_verification", row.present()),
            Self::Update(row) => {
                let old = if row.status == "in_progress" { "verified" } else { "in_progress" };
                ("update_status", old, row.status.as_str(), 0)
            }
            Self::View(_) => ("view", "", "", 31),
        };
        let (user, role) = match self {
            Self::Update(_) => ("u-fulfiller", "fulfiller"),
            _ => ("u-requester", "requester"),
        };
        Said {
            order: row.id,
            action,
            old,
            new,
            version: row.version,
            mac: &row.seal[76..],
            fields,
            user,
            role,
        }
    }
}

const HEAD: &str =
    "WITH h AS (UPDATE medorder.territories SET seq = $2, hash = $3, at = $4 WHERE territory_id = $1)";

/// The first 18 parameters of a statement of one row: head and entry.
const ENTRY: &str = "INSERT INTO medorder.audit_entries VALUES ($1, $2, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
     $14, $15, $16, $17, $18, $3, $19)";

/// The same for arrays.
const ENTRIES: &str = "INSERT INTO medorder.audit_entries SELECT $1, s, t, u, r, p, o, $9, $10, old, new, v, m, f, q, z, \
     d, h, mac FROM UNNEST($20::bigint[], $21::bigint[], $5::text[], $6::text[], $7::text[], $8::bytea[], $11::text[], \
     $12::text[], $13::bigint[], $14::bytea[], $15::bigint[], $16::text[], $17::text[], $18::bytea[], $22::bytea[], \
     $19::bytea[]) AS e(s, t, u, r, p, o, old, new, v, m, f, q, z, d, h, mac)";

/// The three kinds of statement, for one row and for many.
pub(super) struct Sql {
    insert: String,
    update: String,
    view: String,
    inserts: String,
    updates: String,
    views: String,
}

impl Sql {
    pub(super) fn new() -> Self {
        let with = |write: &str, entry: &str| format!("{HEAD}{write} {entry}");
        Self {
            insert: with(
                ", o AS (INSERT INTO medorder.orders VALUES ($1, $8, $20, $21, $12, $13, $22, $23, $24, $25, $26, $27, \
                 $28, $29, $30))",
                ENTRY,
            ),
            update: with(
                ", o AS (UPDATE medorder.orders SET status = $12, version = $13, updated_at = $20, seal = $21 \
                 WHERE territory_id = $1 AND order_id = $8 AND version = $13::bigint - 1)",
                ENTRY,
            ),
            view: with("", ENTRY),
            inserts: with(
                ", o AS (INSERT INTO medorder.orders SELECT $1, * FROM UNNEST($8::bytea[], $23::text[], $24::text[], \
                 $12::text[], $13::bigint[], $25::bigint[], $26::bigint[], $27::bytea[], $28::bytea[], $29::bytea[], \
                 $30::bytea[], $31::bytea[], $32::bytea[], $33::bytea[]))",
                ENTRIES,
            ),
            updates: with(
                ", o AS (UPDATE medorder.orders t SET status = n.s, version = n.v, updated_at = n.u, seal = n.b \
                 FROM UNNEST($8::bytea[], $12::text[], $13::bigint[], $23::bigint[], $24::bytea[]) AS n(i, s, v, u, b) \
                 WHERE t.territory_id = $1 AND t.order_id = n.i AND t.version = n.v - 1)",
                ENTRIES,
            ),
            views: with("", ENTRIES),
        }
    }

    /// Links and writes one row with its entry.
    pub(super) async fn one(&self, conn: &mut PgConnection, head: &mut Head, keys: &Keys, job: &Job) {
        let (said, row) = (job.said(), job.row());
        let mac = head.link(keys, &said);
        let sql = match job {
            Job::Insert(_) => &self.insert,
            Job::Update(_) => &self.update,
            Job::View(_) => &self.view,
        };
        let query = sqlx::query(AssertSqlSafe(sql.as_str()))
            .bind(TERRITORY)
            .bind(head.seq)
            .bind(&head.hash[..])
            .bind(head.at)
            .bind(said.user)
            .bind(said.role)
            .bind("treatment")
            .bind(&row.id[..])
            .bind(said.action)
            .bind("success")
            .bind(said.old)
            .bind(said.new)
            .bind(said.version)
            .bind(said.mac)
            .bind(i64::from(said.fields))
            .bind("")
            .bind("")
            .bind(&[][..] as &[u8])
            .bind(&mac[..]);
        let query = match job {
            Job::Insert(row) => {
                let [f1, f2, f3, f4, f5] = &row.fields;
                query
                    .bind(&row.patient)
                    .bind(&row.provider)
                    .bind(row.created)
                    .bind(row.updated)
                    .bind(&row.wrapped)
                    .bind(&row.seal)
                    .bind(f1.as_deref())
                    .bind(f2.as_deref())
                    .bind(f3.as_deref())
                    .bind(f4.as_deref())
                    .bind(f5.as_deref())
            }
            Job::Update(row) => query.bind(row.updated).bind(&row.seal),
            Job::View(_) => query,
        };
        conn.execute(query).await.expect("a write");
    }

    /// Links and writes rows of one kind with their entries.
    pub(super) async fn many(&self, conn: &mut PgConnection, head: &mut Head, keys: &Keys, jobs: &[Job]) {
        let said: Vec<Said<'_>> = jobs.iter().map(Job::said).collect();
        let (mut seqs, mut ats, mut hashes, mut macs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for said in &said {
            macs.push(head.link(keys, said));
            seqs.push(head.seq);
            ats.push(head.at);
            hashes.push(head.hash);
        }
        let Some(first) = jobs.first() else { return };
        let sql = match first {
            Job::Insert(_) => &self.inserts,
            Job::Update(_) => &self.updates,
            Job::View(_) => &self.views,
        };
        let rows: Vec<&Row> = jobs.iter().map(Job::row).collect();
        let none: Vec<&str> = vec![""; jobs.len()];
        let empty: Vec<&[u8]> = vec![&[]; jobs.len()];
        let query = sqlx::query(AssertSqlSafe(sql.as_str()))
            .bind(TERRITORY)
            .bind(head.seq)
            .bind(&head.hash[..])
            .bind(head.at)
            .bind(each(&said, |said| said.user))
            .bind(each(&said, |said| said.role))
            .bind(vec!["treatment"; jobs.len()])
            .bind(each(&rows, |row| &row.id[..]))
            .bind(said[0].action)
            .bind("success")
            .bind(each(&said, |said| said.old))
            .bind(each(&said, |said| said.new))
            .bind(each(&said, |said| said.version))
            .bind(each(&said, |said| said.mac))
            .bind(each(&said, |said| i64::from(said.fields)))
            .bind(none.clone())
            .bind(none)
            .bind(empty)
            .bind(each(&macs, |mac| &mac[..]))
            .bind(seqs)
            .bind(ats)
            .bind(each(&hashes, |hash| &hash[..]));
        let query = match first {
            Job::Insert(_) => {
                let field = |n: usize| each(&rows, |row| row.fields[n].as_deref());
                query
                    .bind(each(&rows, |row| row.patient.as_str()))
                    .bind(each(&rows, |row| row.provider.as_str()))
                    .bind(each(&rows, |row| row.created))
                    .bind(each(&rows, |row| row.updated))
                    .bind(each(&rows, |row| row.wrapped.as_slice()))
                    .bind(each(&rows, |row| row.seal.as_slice()))
                    .bind(field(0))
                    .bind(field(1))
                    .bind(field(2))
                    .bind(field(3))
                    .bind(field(4))
            }
            Job::Update(_) => {
                query.bind(each(&rows, |row| row.updated)).bind(each(&rows, |row| row.seal.as_slice()))
            }
            Job::View(_) => query,
        };
        conn.execute(query).await.expect("a write");
    }
}

/// One column.
fn each<'a, T, U>(rows: &'a [T], of: impl Fn(&'a T) -> U) -> Vec<U> {
    rows.iter().map(of).collect()
}

const COLUMNS: &str = "SELECT order_id, patient_id, provider_id, status, version, created_at, updated_at, wrapped, seal, \
     f1, f2, f3, f4, f5 FROM medorder.orders WHERE territory_id = $1 AND ";

fn columns(row: &PgRow) -> Row {
    let id: &[u8] = row.get(0);
    Row {
        id: id.try_into().expect("16 bytes"),
        patient: row.get(1),
        provider: row.get(2),
        status: row.get(3),
        version: row.get(4),
        created: row.get(5),
        updated: row.get(6),
        wrapped: row.get(7),
        seal: row.get(8),
        fields: [row.get(9), row.get(10), row.get(11), row.get(12), row.get(13)],
    }
}

pub(super) async fn order(conn: &mut PgConnection, id: &[u8; 16]) -> Row {
    let sql = format!("{COLUMNS} order_id = $2");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(TERRITORY).bind(&id[..]);
    columns(&conn.fetch_one(query).await.expect("an order"))
}

pub(super) async fn newest(conn: &mut PgConnection) -> Vec<Row> {
    let sql = format!("{COLUMNS} order_id > $2 ORDER BY order_id DESC LIMIT 50");
    page(conn, sql, &[]).await
}

pub(super) async fn after(conn: &mut PgConnection, id: &[u8]) -> Vec<Row> {
    let sql = format!("{COLUMNS} order_id > $2 ORDER BY order_id LIMIT 1000");
    page(conn, sql, id).await
}

async fn page(conn: &mut PgConnection, sql: String, id: &[u8]) -> Vec<Row> {
    let query = sqlx::query(AssertSqlSafe(sql)).bind(TERRITORY).bind(id);
    conn.fetch_all(query).await.expect("rows").iter().map(columns).collect()
}
