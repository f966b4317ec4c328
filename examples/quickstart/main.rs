//! The life of 600 orders, from an empty folder to a closed database that shows none of their text.
//!
//! ```text
//! cargo run --example quickstart                    the orders in examples/data
//! cargo run --example quickstart -- other.ndjson    orders of your own
//! ```
//!
//! Reads top down. Ends with an error as soon as something is not as it says.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use medorder::{
    Actor, AnchorFile, BatchItem, BatchMode, CreateOrder, KeyFile, Order, OrderId, OrderService, OrderStatus,
    Phi, PhiField, Purpose, StatusChange, TerritoryId, Verdict, VerificationData, access::role,
    generate_key_file, wire,
};
use serde_json::Value;

/// Prints a line, and fails where `println!` panics.
macro_rules! say {
    ($($text:tt)*) => { writeln!(io::stdout(), $($text)*)? };
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How many orders one call creates.
const BATCH: usize = 100;
const LIMIT: Duration = Duration::from_secs(60);

/// One line of the file: where the order goes, and what it is.
struct Line {
    territory: TerritoryId,
    patient: String,
    provider: String,
    request: CreateOrder,
    /// What must never stand in the database file.
    secrets: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    match tour().await {
        // Whoever read along has seen enough: `quickstart | head`.
        Err(error) if is_broken_pipe(&*error) => Ok(()),
        done => done,
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn tour() -> Result<()> {
    let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/orders.ndjson"));
    let file = std::env::args_os().nth(1).map_or(default, PathBuf::from);
    let lines = std::fs::read_to_string(file)?.lines().map(read).collect::<Result<Vec<_>>>()?;

    heading("1. A key and a database")?;
    let folder = tempfile::tempdir()?;
    let [db, key, anchor] = ["orders.db", "root.key", "anchor.txt"].map(|name| folder.path().join(name));
    generate_key_file(&key)?; // 0600; whoever loses this file loses the data
    let service = OrderService::builder(&db, KeyFile::open(&key)?)
        .anchor(AnchorFile::open(&anchor)?) // signed checkpoints, outside the database
        .open()
        .await?;
    say!("opened orders.db under root.key in a folder that goes away");

    heading("2. Who may order for whom")?;
    let admin = service.admin(person("u-admin", [role::administrator(), role::auditor()])?);
    let pairs: BTreeSet<_> = lines.iter().map(|l| (&l.territory, &l.patient, &l.provider)).collect();
    let territories: BTreeSet<_> = lines.iter().map(|line| line.territory.clone()).collect();
    for territory in &territories {
        admin.register_territory(territory).await?;
    }
    for (territory, patient, provider) in &pairs {
        admin.register_relationship(territory, &patient.parse()?, &provider.parse()?).await?;
    }
    say!("registered {} territories and {} relationships", territories.len(), pairs.len());

    heading("3. Every order of the file")?;
    let secrets: BTreeSet<String> = lines.iter().flat_map(|line| line.secrets.iter().cloned()).collect();
    let total = lines.len();
    let bar = ProgressBar::new(total as u64)
        .with_style(ProgressStyle::with_template("{bar:40.cyan} {pos}/{len} orders {per_sec} {msg}")?);
    let mut by_territory: BTreeMap<TerritoryId, Vec<CreateOrder>> = BTreeMap::new();
    for line in lines {
        by_territory.entry(line.territory).or_default().push(line.request);
    }
    let mut created: BTreeMap<TerritoryId, Vec<OrderId>> = BTreeMap::new();
    for (territory, mut requests) in by_territory {
        bar.set_message(territory.to_string());
        let desk = service.session(person("u-desk", [role::requester()])?, territory.clone());
        while !requests.is_empty() {
            let batch: Vec<_> = requests.drain(..requests.len().min(BATCH)).collect();
            for item in desk.create_orders(batch, BatchMode::Each).await? {
                let BatchItem::Done(order) = item else {
                    return Err(format!("not created: {item:?}").into());
                };
                created.entry(territory.clone()).or_default().push(order.id);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    let seconds = bar.elapsed().as_secs_f64();
    say!("created {total} orders in {seconds:.2} s, each sealed, audited and durable");

    heading("4. The work on some of them, watched live")?;
    let (territory, ids) = created.iter().max_by_key(|(_, ids)| ids.len()).ok_or("the file has no orders")?;
    let payer = service.session(person("u-payer", [role::verifier()])?, territory.clone());
    let ward = service.session(person("u-ward", [role::fulfiller()])?, territory.clone());
    let plan = plan(ids);
    let mut feed = ward.subscribe(None, None).await?; // from now on
    let count = plan.len();
    let watcher = tokio::spawn(async move {
        for _ in 0..count {
            let event = feed.next().await?;
            let from = event.old_status.map_or("-", OrderStatus::name);
            let reason = event.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            let (id, to) = (event.order_id, style(event.new_status.name()).green());
            say!("{} {id} {from} -> {to}{reason}", style("event").cyan());
        }
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    });
    for (id, change) in plan {
        let verifies = matches!(change.0, OrderStatus::Verified | OrderStatus::Rejected);
        let session = if verifies { &payer } else { &ward };
        session.update_status(id, change.1).await?;
    }
    tokio::time::timeout(LIMIT, watcher).await???;
    say!("{count} changes, {count} events");

    heading("5. The same order, seen by two roles")?;
    let desk = service.session(person("u-desk", [role::requester()])?, territory.clone());
    let masked = ward.order(ids[0], None).await?;
    show("a fulfiller sees", &masked)?;
    expect(masked.insurance.is_none() && !masked.withheld.is_empty(), "some fields are withheld")?;
    let whole = desk.order(ids[0], None).await?;
    show("a requester sees", &whole)?;
    expect(whole.withheld.is_empty(), "a requester sees everything")?;

    heading("6. Who saw this patient's data")?;
    let auditor = service.session(person("u-auditor", [role::auditor()])?, territory.clone());
    let disclosures = auditor.disclosures(&whole.patient_id, 0, 100).await?.records;
    for record in &disclosures {
        let (who, fields) = (&record.user_id, record.fields.names().join(", "));
        say!("{} {who} for {}: {fields}", record.timestamp, record.purpose);
    }
    expect(disclosures.len() == 2, "both views of step 5 are on record")?;

    heading("7. Is the record whole?")?;
    admin.checkpoint().await?; // the anchor gets the heads signed, so a database that was put back would show
    let report = admin.verify_audit().await?;
    let (entries, orders) =
        report.chains.iter().fold((0, 0), |sum, chain| (sum.0 + chain.entries, sum.1 + chain.orders));
    let verdict = style(report.verdict.name()).green().bold();
    say!("{entries} audit entries, {orders} orders, anchored: {}: {verdict}", report.anchored);
    expect(report.verdict == Verdict::Intact && orders == total as u64, "the audit is intact")?;

    heading("8. What the closed file shows")?;
    service.close().await?;
    let mut bytes = std::fs::read(&db)?;
    for beside in ["orders.db-wal", "orders.db-shm"] {
        bytes.extend(std::fs::read(folder.path().join(beside)).unwrap_or_default()); // gone after a close
    }
    // Bytes that are no UTF-8 are replaced, all text stays as it is.
    let text = String::from_utf8_lossy(&bytes);
    expect(text.contains(whole.patient_id.as_str()), "the search finds what is not encrypted")?;
    let found = secrets.iter().filter(|secret| text.contains(secret.as_str())).count();
    say!("orders.db, {} KiB: {} texts searched, {found} found", bytes.len() / 1024, secrets.len());
    expect(found == 0, "the file holds no plaintext")?;
    say!("\n{}", style("All as expected.").green().bold());
    Ok(())
}

/// Somebody whom the host has authenticated: here everybody may work everywhere.
fn person(user: &str, roles: impl IntoIterator<Item = medorder::RoleName>) -> Result<Actor> {
    Ok(Actor::new(user.parse()?, Purpose::Treatment).roles(roles).all_territories())
}

/// Four orders are done, two are cancelled under way, one is rejected, one waits after verification.
fn plan(ids: &[OrderId]) -> Vec<(OrderId, (OrderStatus, StatusChange))> {
    use OrderStatus::{Cancelled, Completed, InProgress, Rejected, Verified};
    let mut plan = Vec::new();
    for (n, id) in ids.iter().take(8).enumerate() {
        let steps: &[OrderStatus] = match n {
            0..=3 => &[Verified, InProgress, Completed],
            4..=5 => &[Verified, InProgress, Cancelled],
            6 => &[Rejected],
            _ => &[Verified],
        };
        plan.extend(steps.iter().map(|&to| {
            let change = StatusChange::to(to);
            let change = match to {
                Verified => change.verification(VerificationData::new("u-payer", "payer portal")),
                InProgress => change.notes("patient has arrived"),
                Cancelled => change.reason("asked for by the patient"),
                Rejected => change.reason("not covered"),
                _ => change,
            };
            (*id, (to, change))
        }));
    }
    plan
}

/// Takes what the loader needs out of a line; the rest is a create request as it is on the wire.
fn read(line: &str) -> Result<Line> {
    let mut value: Value = serde_json::from_str(line)?;
    let members = value.as_object_mut().ok_or("a line is not an object")?;
    let mut take = |name: &str| members.remove(name).and_then(|v| v.as_str().map(str::to_owned));
    let territory = take("territory_id").ok_or("a line has no territory_id")?.parse()?;
    let source = take("source_id").ok_or("a line has no source_id")?;
    take("authored_on");
    take("source_status");
    // The source's own number: the same file again would make no second order.
    members.insert("idempotency_key".to_owned(), source.into());
    let request = wire::create_order(value.to_string().as_bytes())?;
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let secrets = ["/service_type", "/notes", "/insurance/policy_number"].into_iter().filter_map(text);
    Ok(Line {
        territory,
        patient: text("/patient_id").unwrap_or_default(),
        provider: text("/provider_id").unwrap_or_default(),
        secrets: secrets.filter(|secret| !secret.is_empty()).collect(),
        request,
    })
}

/// Prints an order. Reading a `Phi` is always a visible act: `expose`.
fn show(title: &str, order: &Order) -> Result<()> {
    say!("{} {} version {} {}", style(title).bold(), order.id, order.version, order.status.name());
    let text = |value: &Option<Phi<String>>| value.as_ref().map(|v| v.expose().replace('\n', "\n    "));
    for field in PhiField::ALL.iter().copied() {
        let value = match field {
            _ if order.withheld.contains(field) => Some(style("withheld").red().to_string()),
            PhiField::ServiceType => text(&order.service_type),
            PhiField::Notes => text(&order.notes),
            PhiField::DiagnosisCodes => order.diagnosis_codes.as_ref().map(|codes| codes.expose().join(", ")),
            PhiField::Insurance => order
                .insurance
                .as_ref()
                .map(|i| format!("{}, {}", i.expose().carrier, i.expose().policy_number)),
            _ => order.insurance_verification.as_ref().map(|v| v.expose().verification_method.clone()),
        };
        say!("  {:23} {}", field.name(), value.unwrap_or_else(|| "-".to_owned()));
    }
    Ok(())
}

fn heading(text: &str) -> Result<()> {
    say!("\n{}", style(text).bold().underlined());
    Ok(())
}

fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("not as expected: {what}").into()) }
}
