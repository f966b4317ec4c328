//! Every small change that SQL can make to a row, made and taken back, on either engine.

use std::collections::BTreeMap;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use crate::canary::hex;
use crate::sql::{Refusal, Sql, unhex};

/// A stored value, byte by byte: a text need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the schemas have no other; a truth value is 0 or 1")]
pub enum Cell {
    /// NULL.
    Null,
    /// INTEGER.
    Int(i64),
    /// TEXT.
    Text(Vec<u8>),
    /// BLOB.
    Blob(Vec<u8>),
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Text(bytes) => ValueRef::Text(bytes),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Text(bytes) => Self::Text(bytes.to_vec()),
            ValueRef::Integer(int) => Self::Int(int),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
            _ => Self::Null,
        }
    }
}

/// A whole row, in the order of the table's columns.
pub type Row = Vec<Cell>;

/// A table of the schema.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: Vec<String>,
    /// Which of them are the primary key.
    pub key: Vec<usize>,
    /// PostgreSQL's names of the columns' types; SQLite's values have types of their own.
    types: Vec<String>,
}

/// The columns of a table, their types, and 1 for those of the primary key.
const SERVER_COLUMNS: &str = "SELECT a.attname, a.atttypid::regtype, coalesce(a.attnum = ANY (i.indkey), false)::int \
     FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
     WHERE a.attrelid = 'medorder.{name}'::regclass AND a.attnum > 0 ORDER BY a.attnum";

/// One change: these rows go, those come.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "filled in by the campaign")]
pub struct Change {
    /// Which column, or `row`.
    pub column: String,
    /// What is done to it.
    pub kind: &'static str,
    /// Rows that go.
    pub out: Vec<Row>,
    /// Rows that come.
    pub into: Vec<Row>,
}

impl Table {
    /// Looks the table up in the schema.
    ///
    /// # Panics
    /// If there is no such table.
    #[must_use]
    pub fn new(sql: &Sql, name: &'static str) -> Self {
        let query = match sql {
            Sql::File(_) => format!("SELECT name, '', pk > 0 FROM pragma_table_info('{name}')"),
            Sql::Server(_) => SERVER_COLUMNS.replace("{name}", name),
        };
        let mut table = Self { name, columns: Vec::new(), key: Vec::new(), types: Vec::new() };
        for row in sql.rows(&query) {
            let Ok([Some(column), Some(kind), Some(in_key)]) = <[_; 3]>::try_from(row) else { continue };
            if in_key == "1" {
                table.key.push(table.columns.len());
            }
            table.columns.push(column);
            table.types.push(kind);
        }
        assert!(!table.key.is_empty(), "{name}");
        table
    }

    /// Every row, by primary key.
    ///
    /// # Panics
    /// If the database cannot be read.
    #[must_use]
    pub fn rows(&self, sql: &Sql) -> Vec<Row> {
        let order: Vec<_> = self.key.iter().map(|&n| self.columns[n].as_str()).collect();
        let query = format!("SELECT * FROM {} ORDER BY {}", self.name, order.join(", "));
        let Sql::File(conn) = sql else {
            let typed = |row: Vec<Option<String>>| row.into_iter().zip(&self.types).map(typed).collect();
            return sql.rows(&query).into_iter().map(typed).collect();
        };
        let mut statement = conn.prepare_cached(&query).expect("the table is there");
        let width = self.columns.len();
        let rows = statement.query_map([], |row| (0..width).map(|n| Ok(row.get_ref(n)?.into())).collect());
        rows.and_then(Iterator::collect).expect("the rows can be read")
    }

    /// Where a column stands.
    ///
    /// # Panics
    /// If there is no such column.
    #[must_use]
    pub fn at(&self, column: &str) -> usize {
        self.columns.iter().position(|name| name == column).expect("a column of the table")
    }

    /// Makes the change in one transaction; false if the schema refuses it, and then nothing is changed.
    ///
    /// # Panics
    /// On any trouble but a constraint or a type.
    #[must_use]
    pub fn apply(&self, sql: &Sql, out: &[Row], into: &[Row]) -> bool {
        let done = match sql {
            Sql::File(conn) => self.apply_to_file(conn, out, into),
            Sql::Server(_) => {
                let gone = out.iter().map(|row| self.server_delete(row));
                let come = into.iter().map(|row| self.server_insert(row));
                sql.attempt(&gone.chain(come).collect::<Vec<_>>().join(";"))
            }
        };
        match done {
            Ok(()) => true,
            Err(Refusal::BySchema(_)) => false,
            Err(Refusal::Trouble(error)) => panic!("{}: {error}", self.name),
        }
    }

    fn apply_to_file(&self, conn: &Connection, out: &[Row], into: &[Row]) -> Result<(), Refusal> {
        let (name, columns) = (self.name, vec!["?"; self.columns.len()].join(", "));
        let wheres: Vec<_> = self.key.iter().map(|&n| format!("{} = ?", self.columns[n])).collect();
        let delete = format!("DELETE FROM {name} WHERE {}", wheres.join(" AND "));
        let insert = format!("INSERT INTO {name} VALUES ({columns})");
        let all = || {
            let tx = conn.unchecked_transaction()?;
            for row in out {
                let key = params_from_iter(self.key.iter().map(|&n| &row[n]));
                assert_eq!(tx.prepare_cached(&delete)?.execute(key)?, 1, "{name}");
            }
            for row in into {
                tx.prepare_cached(&insert)?.execute(params_from_iter(row))?;
            }
            tx.commit()
        };
        all().map_err(|error: rusqlite::Error| (&error).into())
    }

    /// Fails unless the row is there.
    fn server_delete(&self, row: &Row) -> String {
        let wheres: Vec<_> = self
            .key
            .iter()
            .map(|&n| format!("{} = {}", self.columns[n], literal(&row[n], &self.types[n])))
            .collect();
        let delete = format!("DELETE FROM {} WHERE {}", self.name, wheres.join(" AND "));
        format!("WITH gone AS ({delete} RETURNING 1) SELECT 1 / (count(*) = 1)::int FROM gone")
    }

    fn server_insert(&self, row: &Row) -> String {
        let cells: Vec<_> = row.iter().zip(&self.types).map(|(cell, kind)| literal(cell, kind)).collect();
        format!("INSERT INTO {} VALUES ({})", self.name, cells.join(", "))
    }

    /// Every change of one cell of `row`; `others` lend their values. Of texts and blobs every `stride`th bit is
    /// flipped: below 8, that is some bit of every byte.
    #[must_use]
    pub fn changes(&self, row: &Row, others: &[&Row], stride: usize) -> Vec<Change> {
        let mut all = Vec::new();
        for (n, cell) in row.iter().enumerate() {
            // NULL in a row number is no value but a wish for the next one.
            let mut new = if self.key == [n] { vec![] } else { vec![("null", Cell::Null)] };
            match cell {
                Cell::Null => new.push(("set", Cell::Blob(vec![0; 48]))),
                Cell::Int(int) => {
                    new.extend((0..64).map(|bit| ("bit", Cell::Int(int ^ (1 << bit)))));
                    new.push(("plus or minus one", Cell::Int(int.wrapping_add(1))));
                    new.push(("plus or minus one", Cell::Int(int.wrapping_sub(1))));
                    new.push(("zero", Cell::Int(0)));
                    new.push(("type", Cell::Blob(int.to_be_bytes().to_vec())));
                }
                Cell::Text(bytes) => {
                    new.extend(
                        edits(bytes, stride).into_iter().map(|(kind, bytes)| (kind, Cell::Text(bytes))),
                    );
                    new.push(("type", Cell::Blob(bytes.clone())));
                }
                Cell::Blob(bytes) => {
                    new.extend(
                        edits(bytes, stride).into_iter().map(|(kind, bytes)| (kind, Cell::Blob(bytes))),
                    );
                    new.push(("type", Cell::Text(bytes.clone())));
                }
            }
            let alike = |other: &&Cell| std::mem::discriminant(*other) == std::mem::discriminant(cell);
            new.extend(row.iter().filter(alike).map(|other| ("other column", other.clone())));
            new.extend(others.iter().map(|other| ("other row", other[n].clone())));
            for (kind, new) in new.into_iter().filter(|(_, new)| new != cell) {
                let mut into = row.clone();
                into[n] = new;
                all.push(self.change(n, kind, vec![row.clone()], vec![into]));
            }
            for other in others.iter().filter(|other| other[n] != *cell && !self.key.contains(&n)) {
                let (mut a, mut b) = (row.clone(), (*other).clone());
                std::mem::swap(&mut a[n], &mut b[n]);
                all.push(self.change(n, "swap", vec![row.clone(), (*other).clone()], vec![a, b]));
            }
        }
        all
    }

    fn change(&self, n: usize, kind: &'static str, out: Vec<Row>, into: Vec<Row>) -> Change {
        Change { column: self.columns[n].clone(), kind, out, into }
    }
}

/// Single bits, and what else befalls bytes.
fn edits(bytes: &[u8], stride: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::with_capacity(8 * bytes.len() / stride + 16);
    for bit in (0..8 * bytes.len()).step_by(stride) {
        let mut new = bytes.to_vec();
        new[bit / 8] ^= 1 << (bit % 8);
        all.push(("bit", new));
    }
    if let [first, middle @ .., last] = bytes {
        all.push(("cut", [&[*first], middle].concat()));
        all.push(("cut", [middle, &[*last]].concat()));
        all.push(("cut", bytes[..bytes.len() / 2].to_vec()));
        let mut turned = bytes.to_vec();
        turned.reverse();
        all.push(("reverse", turned));
    }
    all.push(("empty", Vec::new()));
    all.push(("zero", vec![0; bytes.len()]));
    for tail in [&b"\0"[..], b"x", b"\xff", bytes] {
        all.push(("extend", [bytes, tail].concat()));
    }
    all.push(("extend", [b"\0", bytes].concat()));
    all
}

/// At most `each` changes of every column and kind, from all over the list, in its order.
#[must_use]
pub fn sample(changes: Vec<Change>, each: usize) -> Vec<Change> {
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for change in &changes {
        *counts.entry((change.column.clone(), change.kind)).or_default() += 1;
    }
    let mut met: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut chosen = changes;
    chosen.retain(|change| {
        let kind = (change.column.clone(), change.kind);
        let (all, n) = (counts[&kind], met.entry(kind).or_default());
        *n += 1;
        // The n-th of all is taken where n * each / all steps up.
        all <= each || *n * each / all > (*n - 1) * each / all
    });
    chosen
}

/// How PostgreSQL writes a value for a column. Bytes that are no text are refused by the conversion, a value of
/// another type by the column.
fn literal(cell: &Cell, kind: &str) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Int(int @ 0..=1) if kind == "boolean" => (*int == 1).to_string(),
        Cell::Int(int) => format!("'{int}'::bigint"),
        Cell::Text(bytes) => format!("convert_from('\\x{}'::bytea, 'UTF8')", hex(bytes)),
        // What a text column makes of bytes, by itself in an INSERT but not in a comparison.
        Cell::Blob(bytes) if kind == "text" => format!("'\\x{}'::text", hex(bytes)),
        Cell::Blob(bytes) => format!("'\\x{}'::bytea", hex(bytes)),
    }
}

fn typed((cell, kind): (Option<String>, &String)) -> Cell {
    match (cell, kind.as_str()) {
        (None, _) => Cell::Null,
        (Some(text), "bytea") => Cell::Blob(unhex(&text)),
        (Some(text), "boolean") => Cell::Int((text == "t").into()),
        (Some(text), "text") => Cell::Text(text.into_bytes()),
        (Some(text), _) => Cell::Int(text.parse().expect("a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_every_column_and_kind_from_first_to_last() {
        let change = |column: &str, kind, n: i64| Change {
            column: column.to_owned(),
            kind,
            out: vec![],
            into: vec![vec![Cell::Int(n)]],
        };
        let mut all: Vec<_> = (1..=100).map(|n| change("a", "bit", n)).collect();
        all.push(change("a", "cut", 0));
        all.push(change("b", "bit", 0));
        let chosen = sample(all, 4);
        let bits: Vec<_> = chosen.iter().take(4).map(|change| change.into[0][0].clone()).collect();
        assert_eq!(bits, [25, 50, 75, 100].map(Cell::Int));
        assert_eq!(chosen.len(), 6);
    }
}
