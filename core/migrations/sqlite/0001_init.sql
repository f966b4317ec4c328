-- Format 1 (STORAGE.md section 4). Every index states why it is there; its price in bytes an order was
-- measured on the example orders (benches/README.md).

CREATE TABLE meta (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    generation BLOB    NOT NULL,
    format     INTEGER NOT NULL
) STRICT;

-- Insert-only, but for change_root.
CREATE TABLE keys (
    purpose      TEXT    NOT NULL,
    territory_id TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    blob         BLOB    NOT NULL,
    PRIMARY KEY (purpose, territory_id, version)
) STRICT, WITHOUT ROWID;

-- The head rows. Row '' is the system chain's.
CREATE TABLE territories (
    pk           INTEGER PRIMARY KEY,
    territory_id TEXT    NOT NULL UNIQUE,
    epoch        INTEGER NOT NULL,
    active       INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    hash         BLOB    NOT NULL,
    at           INTEGER NOT NULL
) STRICT;

CREATE TABLE orders (
    pk           INTEGER PRIMARY KEY,
    territory_pk INTEGER NOT NULL,
    order_id     BLOB    NOT NULL,
    patient_id   TEXT    NOT NULL,
    provider_id  TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    wrapped      BLOB,
    seal         BLOB,
    f1           BLOB,
    f2           BLOB,
    f3           BLOB,
    f4           BLOB,
    f5           BLOB,
    UNIQUE (territory_pk, order_id)
) STRICT;

-- The conditions of partial indexes are written with OR: SQLite fills a table of its own with the values of a longer
-- IN list for each row that is written, which cost as much as all the b-trees together.

-- The work list: open orders of one status, newest first. Closed orders cost nothing here.
CREATE INDEX orders_open ON orders (territory_pk, status, order_id)
    WHERE status = 'pending_verification' OR status = 'verified' OR status = 'in_progress';
-- A patient's orders, newest first; also the disclosures of a patient.
CREATE INDEX orders_patient ON orders (territory_pk, patient_id, order_id);
-- A provider's orders, newest first.
CREATE INDEX orders_provider ON orders (territory_pk, provider_id, order_id);

-- The log. pk = territory_pk << 40 | seq, so that a chain is one run of pages and needs no second index.
-- Every column is NOT NULL and stands in the entry, its hash or its MAC; there is no other column.
CREATE TABLE audit_entries (
    pk          INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    user_id     TEXT    NOT NULL,
    role        TEXT    NOT NULL,
    purpose     TEXT    NOT NULL,
    order_id    BLOB    NOT NULL,
    action      TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    old_status  TEXT    NOT NULL,
    new_status  TEXT    NOT NULL,
    row_version INTEGER NOT NULL,
    row_mac     BLOB    NOT NULL,
    fields      INTEGER NOT NULL,
    request_id  TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    details     BLOB    NOT NULL,
    hash        BLOB    NOT NULL,
    mac         BLOB    NOT NULL
) STRICT;

-- What happened to one order stands in two indexes, each entry in one of them: a change pays for one index.
-- One success entry a version of an order, so that a row that was rolled back cannot advance.
CREATE UNIQUE INDEX audit_change ON audit_entries (pk >> 40, order_id, row_version)
    WHERE (action = 'create' OR action = 'update_status' OR action = 'delete') AND outcome = 'success';
-- Views, denials and whatever else names an order.
CREATE INDEX audit_other ON audit_entries (pk >> 40, order_id)
    WHERE NOT ((action = 'create' OR action = 'update_status' OR action = 'delete') AND outcome = 'success');

CREATE TABLE idempotency (
    territory_pk INTEGER NOT NULL,
    key          BLOB    NOT NULL,
    request      BLOB    NOT NULL,
    order_id     BLOB    NOT NULL,
    row_version  INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (territory_pk, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE relationships (
    territory_pk INTEGER NOT NULL,
    patient_id   TEXT    NOT NULL,
    provider_id  TEXT    NOT NULL,
    PRIMARY KEY (territory_pk, patient_id, provider_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    territory_pk INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    note         TEXT    NOT NULL,
    PRIMARY KEY (territory_pk, seq)
) STRICT, WITHOUT ROWID;
