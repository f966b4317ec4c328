//! The demo: orders of synthetic patients in a new database, and a sign-in for each role without a password. For one
//! machine only.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use medorder::env::{Clock, SystemClock};
use medorder::{
    Actor, BatchItem, BatchMode, CreateOrder, Error, ErrorCode, OrderId, OrderService, OrderStatus,
    PatientId, ProviderId, Purpose, Result, Rule, StatusChange, TerritoryId, Timestamp, VerificationData,
    wire,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Handled, Problem};
use crate::app::App;
use crate::caller::{Json, ONE};
use crate::identity::{self, Claims};

/// The people of the demo: one a role.
pub const PEOPLE: &[Person] = &[
    Person {
        role: "requester",
        user_id: "d.amari",
        describes: "Orders for patients and sees everything of an order",
    },
    Person {
        role: "verifier",
        user_id: "v.okafor",
        describes: "Checks coverage, verifies or rejects; sees no notes",
    },
    Person {
        role: "fulfiller",
        user_id: "f.lindqvist",
        describes: "Does the work; sees notes, no insurance",
    },
    Person { role: "auditor", user_id: "a.moreau", describes: "Reads the audit; sees no order" },
    Person {
        role: "administrator",
        user_id: "s.tanaka",
        describes: "Deletes orders, signs checkpoints; sees no PHI",
    },
];

/// Somebody who may sign in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Person {
    /// The one role of this person.
    pub role: &'static str,
    /// The name in the audit.
    pub user_id: &'static str,
    /// What the role is for.
    pub describes: &'static str,
}

/// Who has the role.
///
/// # Errors
/// `VALIDATION_ERROR` at `role` if nobody has it.
pub fn person(role: &str) -> Result<&'static Person> {
    PEOPLE.iter().find(|person| person.role == role).ok_or_else(|| Error::fault("role", Rule::OneOf))
}

/// Signs tokens for whoever asks: the demo's identity provider.
#[derive(Clone)]
pub struct SignIn {
    secret: zeroize::Zeroizing<Vec<u8>>,
    minutes: u32,
    territories: Vec<TerritoryId>,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignIn(..)")
    }
}

impl SignIn {
    /// Tokens under `secret`, for these territories, that last so many minutes.
    #[must_use]
    pub fn new(secret: Vec<u8>, minutes: u32, territories: Vec<TerritoryId>) -> Self {
        Self { secret: secret.into(), minutes, territories }
    }

    /// A token for `person`, and when it ends.
    ///
    /// # Errors
    /// `INTERNAL` if it cannot be signed.
    pub fn token(&self, person: &Person) -> Result<(String, Timestamp)> {
        let now = SystemClock.now_micros() / 1_000_000;
        let exp = now + i64::from(self.minutes) * 60;
        let territories: Vec<&str> = self.territories.iter().map(|id| id.as_str()).collect();
        let claims = Claims {
            sub: person.user_id.to_owned(),
            roles: vec![person.role.to_owned()],
            // A checkpoint is an act on the whole database.
            territories: if person.role == "administrator" { json!("*") } else { json!(territories) },
            purpose: if matches!(person.role, "auditor" | "administrator") {
                "operations"
            } else {
                "treatment"
            }
            .to_owned(),
            exp: exp.unsigned_abs(),
            aud: identity::AUDIENCE.to_owned(),
        };
        let token = identity::sign(&self.secret, &claims)
            .map_err(|message| Error::new(ErrorCode::Internal, message))?;
        Ok((token, Timestamp::from_micros(exp * 1_000_000)))
    }
}

pub(crate) fn routes() -> axum::Router<App> {
    axum::Router::new().route("/demo", get(people)).route("/demo/sign-in", post(sign_in))
}

async fn people(State(app): State<App>, headers: HeaderMap) -> Handled {
    let demo = demo(&app, &headers)?;
    let people = PEOPLE
        .iter()
        .map(|person| json!({"role": person.role, "user_id": person.user_id, "describes": person.describes}));
    let territories: Vec<&str> = demo.territories.iter().map(|id| id.as_str()).collect();
    let about = json!({"territories": territories, "roles": people.collect::<Vec<_>>()});
    Ok(Answer::data(&wire::plain_json(&about)))
}

async fn sign_in(State(app): State<App>, headers: HeaderMap, body: Json<ONE>) -> Handled {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        role: String,
    }
    let demo = demo(&app, &headers)?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|_| Error::fault("", Rule::Format))?;
    let person = person(&wanted.role)?;
    let (token, expires_at) = demo.token(person)?;
    let signed = json!({
        "token": token, "user_id": person.user_id, "role": person.role, "expires_at": expires_at,
    });
    Ok(Answer::data(&wire::plain_json(&signed)))
}

/// The demo's sign-in, for a request that names this machine: a page from anywhere can have its own name lead here,
/// and the browser would then take the demo for that page's server.
fn demo<'a>(app: &'a App, headers: &HeaderMap) -> std::result::Result<&'a SignIn, Problem> {
    let demo = app.demo.as_ref().ok_or_else(|| Problem::http(StatusCode::NOT_FOUND, "", Rule::Unknown))?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    if host.is_some_and(|host| identity::is_loopback(host.host())) {
        Ok(demo)
    } else {
        Err(Problem::http(StatusCode::MISDIRECTED_REQUEST, "Host", Rule::OneOf))
    }
}

/// What [`fill`] put into the database.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Filled {
    /// The territories there are now.
    pub territories: Vec<TerritoryId>,
    /// How many orders were created; 0 if the database had been filled before.
    pub orders: usize,
}

/// The orders of `examples/data`, made from synthetic Synthea records (CC0).
const ORDERS: &str = include_str!("../../data/orders.ndjson");

/// How many of the newest orders of a territory are left where a ward still has work with them.
const OPEN: usize = 24;

/// Registers the territories and relationships of the demo's orders, creates the orders and brings them to where a
/// ward might find them. A database that has territories is left as it is.
///
/// # Errors
/// What the engine answers.
pub async fn fill(service: &OrderService) -> Result<Filled> {
    let admin = service.admin(actor("administrator")?.all_territories());
    let there = admin.territories().await?;
    let mut lines = ORDERS.lines().map(Line::read).collect::<Result<Vec<_>>>()?;
    if !there.is_empty() {
        return Ok(Filled { territories: busiest_first(there, &lines), orders: 0 });
    }
    lines.sort_by(|a, b| a.authored_on.cmp(&b.authored_on));
    let territories: BTreeSet<_> = lines.iter().map(|line| line.territory.clone()).collect();
    for territory in &territories {
        admin.register_territory(territory).await?;
    }
    let pairs: BTreeSet<_> = lines.iter().map(|line| (&line.territory, &line.pair)).collect();
    for (territory, (patient, provider)) in pairs {
        admin.register_relationship(territory, patient, provider).await?;
    }
    let orders = lines.len();
    let busiest = busiest_first(territories.into_iter().collect(), &lines);
    let mut by_territory: BTreeMap<TerritoryId, Vec<Line>> = BTreeMap::new();
    for line in lines {
        by_territory.entry(line.territory.clone()).or_default().push(line);
    }
    for (territory, lines) in by_territory {
        work(service, &territory, lines).await?;
    }
    Ok(Filled { territories: busiest, orders })
}

/// The territories in the order in which somebody who looks around wants to see them.
fn busiest_first(mut territories: Vec<TerritoryId>, lines: &[Line]) -> Vec<TerritoryId> {
    let orders = |id: &TerritoryId| lines.iter().filter(|line| line.territory == *id).count();
    territories.sort_by_key(|id| std::cmp::Reverse(orders(id)));
    territories
}

/// The orders of one territory, created and moved on.
async fn work(service: &OrderService, territory: &TerritoryId, lines: Vec<Line>) -> Result<()> {
    let session = |role| Ok::<_, Error>(service.session(actor(role)?.all_territories(), territory.clone()));
    let plans: Vec<_> =
        lines.iter().enumerate().map(|(at, line)| plan(lines.len() - at, at, &line.source_status)).collect();
    let requests = lines.into_iter().map(|line| line.request).collect();
    let created = done(session("requester")?.create_orders(requests, BatchMode::Each).await?)?;
    let rounds = plans.iter().map(|plan| plan.len()).max().unwrap_or(0);
    for round in 0..rounds {
        let steps: Vec<(OrderId, OrderStatus)> =
            created.iter().zip(&plans).filter_map(|(id, plan)| Some((*id, *plan.get(round)?))).collect();
        let (decisions, work): (Vec<_>, Vec<_>) = steps
            .into_iter()
            .partition(|(_, status)| matches!(status, OrderStatus::Verified | OrderStatus::Rejected));
        for (role, steps) in [("verifier", decisions), ("fulfiller", work)] {
            let changes = steps.into_iter().map(|(id, status)| (id, change(status))).collect();
            done(session(role)?.update_statuses(changes, BatchMode::Each).await?)?;
        }
    }
    Ok(())
}

/// The way of an order: what became of its source, or somewhere on the way if it is one of the newest.
fn plan(age: usize, at: usize, source: &str) -> &'static [OrderStatus] {
    use OrderStatus::{Cancelled, Completed, InProgress, Rejected, Verified};
    if age <= OPEN {
        return match at % 5 {
            0 | 3 => &[],
            1 => &[Verified],
            2 => &[Verified, InProgress],
            _ if at % 10 == 4 => &[Rejected],
            _ => &[Verified, InProgress, Completed],
        };
    }
    match source {
        "completed" => &[Verified, InProgress, Completed],
        "stopped" => &[Verified, InProgress, Cancelled],
        _ => &[Verified, InProgress],
    }
}

fn change(status: OrderStatus) -> StatusChange {
    let change = StatusChange::to(status);
    match status {
        OrderStatus::Verified => change.verification(VerificationData::new("v.okafor", "payer portal")),
        OrderStatus::Rejected => change.reason("not covered by the plan"),
        OrderStatus::Cancelled => change.reason("stopped at the source"),
        _ => change,
    }
}

fn done(items: Vec<BatchItem>) -> Result<Vec<OrderId>> {
    let id = |item| match item {
        BatchItem::Done(order) => Ok(order.id),
        BatchItem::Failed(error) => Err(error),
        _ => Err(Error::new(ErrorCode::Internal, "an order of the demo was not stored")),
    };
    items.into_iter().map(id).collect()
}

fn actor(name: &str) -> Result<Actor> {
    let person = person(name)?;
    Ok(Actor::new(person.user_id.parse()?, Purpose::Operations).role(person.role.parse()?))
}

/// A line of the file of orders.
struct Line {
    territory: TerritoryId,
    pair: (PatientId, ProviderId),
    request: CreateOrder,
    authored_on: String,
    source_status: String,
}

impl Line {
    fn read(text: &str) -> Result<Self> {
        let mut line: Value = serde_json::from_str(text).map_err(|_| Error::fault("", Rule::Format))?;
        let mut take = |name: &str| match line.as_object_mut().and_then(|line| line.remove(name)) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let (territory, source_id) = (take("territory_id"), take("source_id"));
        let (authored_on, source_status) = (take("authored_on"), take("source_status"));
        let request = wire::create_order(line.to_string().as_bytes())?.idempotency_key(source_id);
        let id = |name: &str| line[name].as_str().unwrap_or_default();
        let pair = (id("patient_id").parse()?, id("provider_id").parse()?);
        Ok(Self { territory: territory.parse()?, pair, request, authored_on, source_status })
    }
}
