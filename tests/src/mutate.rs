//! Every small change that SQL can make to a row, made and taken back.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

/// A stored value, byte by byte: a text need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "SQLite has no other")]
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
    delete: String,
    insert: String,
}

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
    pub fn new(conn: &Connection, name: &'static str) -> Self {
        let mut columns = Vec::new();
        let mut key = Vec::new();
        conn.pragma(None, "table_info", name, |row| {
            if row.get::<_, i64>(5)? > 0 {
                key.push(columns.len());
            }
            columns.push(row.get::<_, String>(1)?);
            Ok(())
        })
        .expect("the table is there");
        assert!(!key.is_empty(), "{name}");
        let wheres: Vec<_> = key.iter().map(|&n| format!("{} = ?", columns[n])).collect();
        let delete = format!("DELETE FROM {name} WHERE {}", wheres.join(" AND "));
        let insert = format!("INSERT INTO {name} VALUES ({})", vec!["?"; columns.len()].join(", "));
        Self { name, columns, key, delete, insert }
    }

    /// Every row, by primary key.
    ///
    /// # Panics
    /// If the file cannot be read.
    #[must_use]
    pub fn rows(&self, conn: &Connection) -> Vec<Row> {
        let order: Vec<_> = self.key.iter().map(|&n| self.columns[n].as_str()).collect();
        let sql = format!("SELECT * FROM {} ORDER BY {}", self.name, order.join(", "));
        let mut statement = conn.prepare_cached(&sql).expect("the table is there");
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
    pub fn apply(&self, conn: &Connection, out: &[Row], into: &[Row]) -> bool {
        let done = (|| {
            let tx = conn.unchecked_transaction()?;
            for row in out {
                let key = params_from_iter(self.key.iter().map(|&n| &row[n]));
                assert_eq!(tx.prepare_cached(&self.delete)?.execute(key)?, 1, "{}", self.name);
            }
            for row in into {
                tx.prepare_cached(&self.insert)?.execute(params_from_iter(row))?;
            }
            tx.commit()
        })();
        match done {
            Ok(()) => true,
            Err(error) if is_refusal(&error) => false,
            Err(error) => panic!("{}: {error}", self.name),
        }
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

fn is_refusal(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, TypeMismatch};
    matches!(error.sqlite_error_code(), Some(ConstraintViolation | TypeMismatch))
}
