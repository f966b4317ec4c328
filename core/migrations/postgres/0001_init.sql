-- Format 1 (STORAGE.md section 4). Text is compared byte by byte: COLLATE "C". `{partition}` becomes
-- `PARTITION BY HASH (territory_id)` where partitions are asked for, else nothing: every key begins with the
-- territory, so that a territory lives in one partition or on one node.

CREATE TABLE medorder.meta (
    one        int    PRIMARY KEY CHECK (one = 1),
    generation bytea  NOT NULL,
    format     bigint NOT NULL
);

-- Insert-only, but for change_root.
CREATE TABLE medorder.keys (
    purpose      text COLLATE "C" NOT NULL,
    territory_id text COLLATE "C" NOT NULL,
    version      bigint NOT NULL,
    blob         bytea  NOT NULL,
    PRIMARY KEY (purpose, territory_id, version)
);

-- The head rows. Row '' is the system chain's. Every commit updates one: the free space in each page lets the
-- new version stay there (HOT), and the index never grows.
CREATE TABLE medorder.territories (
    territory_id text COLLATE "C" PRIMARY KEY,
    epoch        bigint  NOT NULL,
    active       boolean NOT NULL,
    seq          bigint  NOT NULL,
    hash         bytea   NOT NULL,
    at           bigint  NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

CREATE TABLE medorder.orders (
    territory_id text COLLATE "C" NOT NULL,
    order_id     bytea  NOT NULL,
    patient_id   text COLLATE "C" NOT NULL,
    provider_id  text COLLATE "C" NOT NULL,
    status       text COLLATE "C" NOT NULL,
    version      bigint NOT NULL,
    created_at   bigint NOT NULL,
    updated_at   bigint NOT NULL,
    wrapped      bytea,
    seal         bytea,
    f1           bytea,
    f2           bytea,
    f3           bytea,
    f4           bytea,
    f5           bytea,
    PRIMARY KEY (territory_id, order_id)
) {partition};

-- The work list: open orders of one status, newest first. Closed orders cost nothing here.
CREATE INDEX orders_open ON medorder.orders (territory_id, status, order_id)
    WHERE status IN ('pending_verification', 'verified', 'in_progress');
-- A patient's orders, newest first; also the disclosures of a patient.
CREATE INDEX orders_patient ON medorder.orders (territory_id, patient_id, order_id);
-- A provider's orders, newest first.
CREATE INDEX orders_provider ON medorder.orders (territory_id, provider_id, order_id);

-- The log. Every column is NOT NULL and stands in the entry, its hash or its MAC; there is no other column.
CREATE TABLE medorder.audit_entries (
    territory_id text COLLATE "C" NOT NULL,
    seq          bigint NOT NULL,
    at           bigint NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    role         text COLLATE "C" NOT NULL,
    purpose      text COLLATE "C" NOT NULL,
    order_id     bytea  NOT NULL,
    action       text COLLATE "C" NOT NULL,
    outcome      text COLLATE "C" NOT NULL,
    old_status   text COLLATE "C" NOT NULL,
    new_status   text COLLATE "C" NOT NULL,
    row_version  bigint NOT NULL,
    row_mac      bytea  NOT NULL,
    fields       bigint NOT NULL,
    request_id   text COLLATE "C" NOT NULL,
    source       text COLLATE "C" NOT NULL,
    details      bytea  NOT NULL,
    hash         bytea  NOT NULL,
    mac          bytea  NOT NULL,
    PRIMARY KEY (territory_id, seq)
) {partition};

-- What happened to one order stands in two indexes, each entry in one of them: a change pays for one index.
-- One success entry a version of an order, so that a row that was rolled back cannot advance.
CREATE UNIQUE INDEX audit_change ON medorder.audit_entries (territory_id, order_id, row_version)
    WHERE action IN ('create', 'update_status', 'delete') AND outcome = 'success';
-- Views, denials and whatever else names an order.
CREATE INDEX audit_other ON medorder.audit_entries (territory_id, order_id)
    WHERE NOT (action IN ('create', 'update_status', 'delete') AND outcome = 'success');

CREATE TABLE medorder.idempotency (
    territory_id text COLLATE "C" NOT NULL,
    key          bytea  NOT NULL,
    request      bytea  NOT NULL,
    order_id     bytea  NOT NULL,
    row_version  bigint NOT NULL,
    at           bigint NOT NULL,
    PRIMARY KEY (territory_id, key)
) {partition};

CREATE TABLE medorder.relationships (
    territory_id text COLLATE "C" NOT NULL,
    patient_id   text COLLATE "C" NOT NULL,
    provider_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory_id, patient_id, provider_id)
) {partition};

CREATE TABLE medorder.checkpoints (
    territory_id text COLLATE "C" NOT NULL,
    seq          bigint NOT NULL,
    note         text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory_id, seq)
);

-- Is there an order with this id in any territory? One primary-key look-up a territory. Runs as the owner, who
-- has a policy of its own: the caller learns yes or no and nothing else.
CREATE FUNCTION medorder.order_exists(wanted bytea) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT 1 FROM medorder.territories t
        CROSS JOIN LATERAL (SELECT 1 FROM medorder.orders o
            WHERE o.territory_id = t.territory_id AND o.order_id = wanted LIMIT 1) found);
END;

-- Does a row stand in no chain, or before the first place of one? Steps from one territory to the next by
-- index, so that it costs a few look-ups a territory.
CREATE FUNCTION medorder.strays() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE
    o(t) AS (
        (SELECT territory_id FROM medorder.orders ORDER BY territory_id LIMIT 1)
        UNION ALL
        SELECT (SELECT n.territory_id FROM medorder.orders n WHERE n.territory_id > o.t
                ORDER BY n.territory_id LIMIT 1) FROM o WHERE o.t IS NOT NULL),
    e(t) AS (
        (SELECT territory_id FROM medorder.audit_entries ORDER BY territory_id LIMIT 1)
        UNION ALL
        SELECT (SELECT n.territory_id FROM medorder.audit_entries n WHERE n.territory_id > e.t
                ORDER BY n.territory_id LIMIT 1) FROM e WHERE e.t IS NOT NULL)
    SELECT EXISTS (SELECT 1 FROM o WHERE o.t IS NOT NULL AND NOT EXISTS (
               SELECT 1 FROM medorder.territories h WHERE h.territory_id = o.t AND h.territory_id <> ''))
        OR EXISTS (SELECT 1 FROM e WHERE e.t IS NOT NULL AND NOT EXISTS (
               SELECT 1 FROM medorder.territories h WHERE h.territory_id = e.t))
        OR EXISTS (SELECT 1 FROM medorder.territories h
               JOIN medorder.audit_entries a ON a.territory_id = h.territory_id AND a.seq < 1);
END;
