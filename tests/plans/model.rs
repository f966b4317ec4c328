//! The rows that every plan is judged on: 100,000 orders, made by SQL alike on both engines, and the same once
//! more as arithmetic, to know what an index would have to read.

use medorder::{OrderFilter, OrderId, OrderStatus, Timestamp};

/// The territories and the numbers of their orders.
pub(crate) const RUNS: [(&str, u64, u64); 3] =
    [("big", 1, 90_000), ("mid", 90_001, 98_000), ("small", 98_001, 100_000)];
/// What a page holds at most.
pub(crate) const PAGE: usize = 50;

const FIRST_MS: u64 = 1_700_000_000_000;

/// Order `i` was made in second `i`.
pub(crate) const fn made(i: u64) -> i64 {
    ((FIRST_MS + i * 1_000) * 1_000) as i64
}

pub(crate) fn id(i: u64) -> OrderId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&(FIRST_MS + i * 1_000).to_be_bytes()[2..]);
    (bytes[6], bytes[8]) = (0x70, 0x80);
    bytes[10..].copy_from_slice(&i.to_be_bytes()[2..]);
    OrderId::from_bytes(bytes)
}

/// The number of an order's idempotency key.
pub(crate) fn key(i: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&i.to_be_bytes());
    bytes
}

fn patient(i: u64) -> String {
    if i % 90 == 7 { "p-busy".to_owned() } else { format!("p-{}", i % 20_000) }
}

fn provider(i: u64) -> String {
    if i.is_multiple_of(9_001) { "npi-rare".to_owned() } else { format!("npi-{}", i % 20) }
}

fn status(i: u64) -> OrderStatus {
    match i {
        i if i % 81 == 0 => OrderStatus::PendingVerification,
        i if i % 81 == 27 => OrderStatus::Verified,
        i if i % 81 == 54 => OrderStatus::InProgress,
        i if i % 1_000 == 1 => OrderStatus::Rejected,
        i if i % 50 == 3 => OrderStatus::Cancelled,
        _ => OrderStatus::Completed,
    }
}

const PATIENT: &str = "CASE WHEN i % 90 = 7 THEN 'p-busy' ELSE 'p-' || (i % 20000) END";
const PROVIDER: &str = "CASE WHEN i % 9001 = 0 THEN 'npi-rare' ELSE 'npi-' || (i % 20) END";
const STATUS: &str = "CASE WHEN i % 81 = 0 THEN 'pending_verification' WHEN i % 81 = 27 THEN 'verified' \
     WHEN i % 81 = 54 THEN 'in_progress' WHEN i % 1000 = 1 THEN 'rejected' WHEN i % 50 = 3 THEN 'cancelled' \
     ELSE 'completed' END";

/// What differs between the engines' SQL.
pub(crate) struct Dialect {
    schema: &'static str,
    /// The first column of every row, for a territory.
    place: fn(&str) -> String,
    series: fn(u64, u64) -> String,
    blob: fn(&[u8]) -> String,
    id: &'static str,
    key: &'static str,
    seq: &'static str,
    columns: &'static str,
}

pub(crate) const POSTGRES: Dialect = Dialect {
    schema: "medorder.",
    place: |territory| format!("'{territory}'"),
    series: |from, to| format!("generate_series({from}::bigint, {to}) AS s(i)"),
    blob: |bytes| format!("'\\x{}'::bytea", hex(bytes)),
    id: "decode(lpad(to_hex(1700000000000 + i * 1000), 12, '0') || '70008000' || lpad(to_hex(i), 12, '0'), 'hex')",
    key: "decode(lpad(to_hex(i), 64, '0'), 'hex')",
    seq: "{place}, {seq}",
    columns: "territory_id",
};

pub(crate) const SQLITE: Dialect = Dialect {
    schema: "",
    place: |territory| format!("(SELECT pk FROM territories WHERE territory_id = '{territory}')"),
    series: |from, to| {
        format!(
            "(WITH RECURSIVE s(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM s WHERE i < {to}) SELECT i FROM s)"
        )
    },
    blob: |bytes| format!("x'{}'", hex(bytes)),
    id: "unhex(printf('%012x70008000%012x', 1700000000000 + i * 1000, i))",
    key: "unhex(printf('%064x', i))",
    seq: "{place} << 40 | ({seq})",
    columns: "territory_pk",
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A wrapped key under version 1 of its territory's key.
pub(crate) fn wrapped() -> Vec<u8> {
    let mut bytes = vec![0xAB; 70];
    bytes[2..6].copy_from_slice(&1_u32.to_be_bytes());
    bytes
}

/// The statements that fill a schema whose territories are registered.
pub(crate) fn filling(to: &Dialect) -> Vec<String> {
    let mut all = Vec::new();
    for (territory, first, last) in RUNS {
        let (place, series) = ((to.place)(territory), (to.series)(first, last));
        let (schema, id, columns) = (to.schema, to.id, to.columns);
        let made = "(1700000000000 + i * 1000) * 1000";
        let blob = |bytes: &[u8]| (to.blob)(bytes);
        // Every hundredth is a skeleton.
        let kept = |bytes: &[u8]| format!("CASE WHEN i % 100 <> 99 THEN {} END", blob(bytes));
        all.push(format!(
            "INSERT INTO {schema}orders ({columns}, order_id, patient_id, provider_id, status, version, created_at, \
             updated_at, wrapped, seal, f1, f2) SELECT {place}, {id}, {PATIENT}, {PROVIDER}, {STATUS}, 1, {made}, \
             {made}, {}, {}, {}, {} FROM {series}",
            kept(&wrapped()), kept(&[1; 65]), kept(&[2; 40]), kept(&[3; 90]),
        ));
        let seq = format!("2 * (i - {first} + 1) + k");
        let seq = to.seq.replace("{place}", &place).replace("{seq}", &seq);
        all.push(format!(
            "INSERT INTO {schema}audit_entries SELECT {seq}, {made}, 'u-' || (i % 50), 'r', '', {id}, \
             CASE k WHEN 0 THEN 'create' ELSE 'view' END, 'success', '', '', 1, {mac}, 5, 'q', 's', {}, {mac}, {mac} \
             FROM {series} CROSS JOIN (SELECT 0 AS k UNION ALL SELECT 1) v",
            blob(&[]), mac = blob(&[7; 32]),
        ));
        all.push(format!(
            "INSERT INTO {schema}idempotency SELECT {place}, {}, {mac}, {id}, 1, {made} FROM {series}",
            to.key,
            mac = blob(&[7; 32]),
        ));
        all.push(format!(
            "INSERT INTO {schema}relationships SELECT {place}, 'p-' || (i % 20000), 'npi-' || (i / 20000) FROM {series}"
        ));
        all.push(format!("INSERT INTO {schema}relationships VALUES ({place}, 'p-777', 'npi-lone')"));
        all.push(format!(
            "UPDATE {schema}territories SET seq = {}, at = {} WHERE territory_id = '{territory}'",
            2 * (last - first + 1) + 1,
            made_of(last),
        ));
    }
    all
}

const fn made_of(i: u64) -> i64 {
    made(i)
}

/// A list that is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    pub(crate) status: Vec<OrderStatus>,
    pub(crate) patient: Option<&'static str>,
    pub(crate) provider: Option<&'static str>,
    pub(crate) from: Option<u64>,
    pub(crate) to: Option<u64>,
    pub(crate) before: Option<u64>,
}

impl List {
    pub(crate) fn filter(&self) -> OrderFilter {
        let mut filter = OrderFilter::new();
        filter.status.clone_from(&self.status);
        filter.patient_id = self.patient.map(|text| text.parse().expect("a good id"));
        filter.provider_id = self.provider.map(|text| text.parse().expect("a good id"));
        filter.created_from = self.from.map(|i| Timestamp::from_micros(made(i)));
        filter.created_to = self.to.map(|i| Timestamp::from_micros(made(i)));
        filter
    }

    pub(crate) fn name(&self) -> String {
        let status: Vec<&str> = self.status.iter().map(|status| status.name()).collect();
        format!(
            "orders [{}] patient {:?} provider {:?} from {:?} to {:?} before {:?}",
            status.join(","),
            self.patient,
            self.provider,
            self.from,
            self.to,
            self.before
        )
    }

    /// How many rows of big the best index there is walks for a page, and how many it finds.
    pub(crate) fn best(&self) -> (u64, usize) {
        let (_, first, last) = RUNS[0];
        let newest = [self.to, self.before].into_iter().flatten().fold(last + 1, u64::min);
        let oldest = self.from.unwrap_or(first).max(first);
        let open = |status: OrderStatus| {
            matches!(
                status,
                OrderStatus::PendingVerification | OrderStatus::Verified | OrderStatus::InProgress
            )
        };
        let work_list = !self.status.is_empty() && self.status.iter().all(|status| open(*status));
        let (mut found, mut all, mut patients, mut providers, mut opens) = (0, 0, 0, 0, 0);
        for i in (oldest..newest).rev() {
            let of_patient = self.patient.is_some_and(|wanted| wanted == patient(i));
            let of_provider = self.provider.is_some_and(|wanted| wanted == provider(i));
            let of_status = self.status.contains(&status(i));
            all += 1;
            patients += u64::from(of_patient);
            providers += u64::from(of_provider);
            opens += u64::from(of_status);
            let fits = (of_patient || self.patient.is_none())
                && (of_provider || self.provider.is_none())
                && (of_status || self.status.is_empty())
                && i % 100 != 99;
            found += usize::from(fits);
            if found == PAGE {
                break;
            }
        }
        let by_patient = self.patient.map(|_| patients);
        let by_provider = self.provider.map(|_| providers);
        let by_status = work_list.then_some(opens);
        let best = [Some(all), by_patient, by_provider, by_status].into_iter().flatten().min();
        (best.unwrap_or(all), found)
    }

    /// What may be walked instead for a provider's orders of a status: all of the provider's, or all open ones.
    /// Nobody can know which are fewer.
    pub(crate) fn instead(&self) -> u64 {
        if self.provider.is_none() || self.patient.is_some() || self.status.is_empty() {
            return 0;
        }
        let (_, first, last) = RUNS[0];
        let either = |i: &u64| {
            self.provider.is_some_and(|wanted| wanted == provider(*i))
                || (i.is_multiple_of(27) && self.status.contains(&status(*i)))
        };
        (first..=last).filter(either).count() as u64
    }

    /// Why a page may walk far even by the best index there is.
    pub(crate) fn walks(&self) -> Option<&'static str> {
        let closed = |status: &OrderStatus| {
            matches!(status, OrderStatus::Rejected | OrderStatus::Completed | OrderStatus::Cancelled)
        };
        let some_closed = self.status.iter().any(closed);
        match (self.patient, self.provider) {
            (None, None) if some_closed => {
                Some("closed orders have no index by status: newest first, until a page is full")
            }
            (None, Some(_)) if !self.status.is_empty() => {
                Some("a provider's orders of a status: the provider's or the open ones, until a page is full")
            }
            _ => None,
        }
    }
}

/// Every class of list.
pub(crate) fn lists() -> Vec<List> {
    use OrderStatus::{Cancelled, Completed, InProgress, PendingVerification, Rejected, Verified};
    let mut statuses: Vec<Vec<OrderStatus>> = vec![vec![]];
    statuses.extend(OrderStatus::ALL.iter().map(|status| vec![*status]));
    statuses.extend([
        vec![PendingVerification, Verified],
        vec![PendingVerification, Verified, InProgress],
        vec![Completed, Cancelled, Rejected],
        vec![PendingVerification, Completed],
        OrderStatus::ALL.to_vec(),
    ]);
    let whom = [
        (None, None),
        (Some("p-5"), None),
        (Some("p-busy"), None),
        (None, Some("npi-3")),
        (None, Some("npi-rare")),
        (Some("p-5"), Some("npi-5")),
        (Some("p-busy"), Some("npi-3")),
    ];
    let times = [
        (None, None, None),
        (None, None, Some(45_000)),
        (Some(88_000), None, None),
        (None, Some(2_000), None),
        (Some(45_000), Some(46_000), None),
        (Some(45_000), Some(47_000), Some(45_500)),
    ];
    let mut all = Vec::new();
    for status in &statuses {
        for (patient, provider) in whom {
            for (from, to, before) in times {
                all.push(List { status: status.clone(), patient, provider, from, to, before });
            }
        }
    }
    all
}
