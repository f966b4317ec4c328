//! Every wrong input meets the checks in the order of DESIGN section 5: the first class that fails answers,
//! nothing is stored, and a denial leaves exactly its entry.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::HashMap;

use medorder::{
    AccessPolicy, Actor, BatchMode, CreateOrder, DeleteOrder, Error, ErrorCode, FieldSet, OrderFilter,
    OrderId, OrderStatus, Permission, Purpose, RoleGrant, Session, StatusChange, Timestamp, VerificationData,
};
use medorder::{AuditFilter, RelationshipFilter};
use medorder_tests::ledger::{Ledger, Line};
use medorder_tests::{START, World, change, id, path_to, request, root};

/// What can be wrong with a call, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Class {
    Shape,
    Expired,
    Revoked,
    ActorsTerritory,
    Permission,
    Territory,
    Key,
    OrderNowhere,
    OrderDeleted,
    OrderElsewhere,
    OwnOrder,
    Version,
    Transition,
    Needs,
    Notes,
    Directory,
}

use Class::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Create,
    Creates,
    Order,
    ByKey,
    Orders,
    Update(OrderStatus),
    Updates,
    Allowed,
    Delete,
    Relationships,
    Audit,
    Disclosures,
    Verify,
    Export,
    Subscribe,
}

const DOOR: &[Class] = &[Expired, Revoked, ActorsTerritory, Permission, Territory];
const GONE: &[Class] = &[OrderNowhere, OrderDeleted, OrderElsewhere];

impl Call {
    fn all() -> Vec<Self> {
        let mut calls = vec![
            Self::Create,
            Self::Creates,
            Self::Order,
            Self::ByKey,
            Self::Orders,
            Self::Updates,
            Self::Allowed,
            Self::Delete,
            Self::Relationships,
            Self::Audit,
            Self::Disclosures,
            Self::Verify,
            Self::Export,
            Self::Subscribe,
        ];
        calls.extend(OrderStatus::ALL.iter().map(|status| Self::Update(*status)));
        calls
    }

    /// What can be wrong with this call.
    fn classes(self) -> Vec<Class> {
        let own: &[&[Class]] = match self {
            Self::Create => &[&[Shape], DOOR, &[Key, Directory]],
            Self::Creates
            | Self::Updates
            | Self::Orders
            | Self::Relationships
            | Self::Audit
            | Self::Disclosures => &[&[Shape], DOOR],
            Self::Verify | Self::Export => &[DOOR],
            Self::ByKey => &[DOOR, &[OrderNowhere, OrderDeleted]],
            Self::Allowed | Self::Order => &[DOOR, GONE],
            // A deleted order can still be watched: its last event is that it went.
            Self::Subscribe => &[DOOR, &[OrderNowhere, OrderElsewhere]],
            Self::Delete => &[&[Shape], DOOR, GONE, &[Version]],
            Self::Update(OrderStatus::PendingVerification) => {
                &[&[Shape], DOOR, &[Key], GONE, &[Version, Transition]]
            }
            Self::Update(OrderStatus::Completed) => {
                &[&[Shape], DOOR, &[Key], GONE, &[Version, Transition, Notes]]
            }
            Self::Update(OrderStatus::Verified | OrderStatus::Rejected) => {
                &[&[Shape], DOOR, &[Key], GONE, &[OwnOrder, Version, Transition, Needs, Notes]]
            }
            Self::Update(_) => &[&[Shape], DOOR, &[Key], GONE, &[Version, Transition, Needs, Notes]],
        };
        own.concat()
    }

    fn permission(self) -> Permission {
        match self {
            Self::Create | Self::Creates | Self::Relationships => Permission::OrderCreate,
            Self::Order | Self::ByKey | Self::Orders | Self::Allowed | Self::Subscribe => {
                Permission::OrderView
            }
            Self::Update(OrderStatus::PendingVerification) => Permission::OrderCreate,
            Self::Updates | Self::Update(OrderStatus::Verified | OrderStatus::Rejected) => {
                Permission::OrderVerify
            }
            Self::Update(OrderStatus::Cancelled) => Permission::OrderCancel,
            Self::Update(_) => Permission::OrderFulfil,
            Self::Delete => Permission::OrderDelete,
            Self::Audit | Self::Disclosures | Self::Verify | Self::Export => Permission::AuditRead,
        }
    }

    fn action(self) -> &'static str {
        match self {
            Self::Create | Self::Creates => "create",
            Self::Update(_) | Self::Updates => "update_status",
            Self::Delete => "delete",
            Self::Audit => "audit",
            Self::Disclosures => "disclosures",
            Self::Verify => "verify",
            Self::Export => "export",
            _ => "view",
        }
    }

    fn names_an_order(self) -> bool {
        matches!(
            self,
            Self::Order | Self::Update(_) | Self::Allowed | Self::Delete | Self::Audit | Self::Subscribe
        )
    }
}

/// Which orders there are, made once: calls that fail change none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    status: OrderStatus,
    own: bool,
    full: bool,
    expired: bool,
    deleted: bool,
    elsewhere: bool,
}

struct Scene {
    world: World,
    ledger: Ledger,
    orders: HashMap<Kind, OrderId>,
}

const NOWHERE: &str = "01890000-0000-7000-8000-000000000000";

impl Scene {
    async fn new() -> Self {
        // One role a permission, so that taking one away leaves everything else.
        let policy = Permission::ALL.iter().fold(AccessPolicy::default(), |policy, permission| {
            policy.role(id(permission.name()), RoleGrant::new([*permission], []))
        });
        let clock = std::sync::Arc::new(medorder::env::FixedClock::at(START));
        let entropy = std::sync::Arc::new(medorder::env::SystemEntropy);
        let env = medorder::env::Env { clock, entropy };
        let world = World::with(|b| b.env(env).access(policy.separate_verifier(true))).await;
        let used = world.service.session(actor(None).territory(id("north")), id("north"));
        used.create_order(request().idempotency_key("used")).await.unwrap();
        let gone = used.create_order(request().idempotency_key("gone")).await.unwrap().id;
        world.all().delete_order(gone, DeleteOrder::new("entered in error")).await.unwrap();
        Self { ledger: Ledger::open(&world.path), world, orders: HashMap::new() }
    }

    /// An order as the broken classes want it.
    async fn order(&mut self, call: Call, broken: &[Class]) -> OrderId {
        let has = |class| broken.contains(&class);
        let to = if let Call::Update(to) = call { to } else { OrderStatus::Verified };
        let kind = Kind {
            status: if has(Transition) { to } else { before(to) },
            own: has(OwnOrder),
            full: has(Notes),
            expired: has(Needs) && to == OrderStatus::InProgress && !has(Transition),
            deleted: has(OrderDeleted),
            elsewhere: has(OrderElsewhere),
        };
        if has(OrderNowhere) {
            return id(NOWHERE);
        }
        if let Some(order) = self.orders.get(&kind) {
            return *order;
        }
        let order = self.make(kind).await;
        self.orders.insert(kind, order);
        order
    }

    async fn make(&self, kind: Kind) -> OrderId {
        let place = if kind.elsewhere { "south" } else { "north" };
        let service = &self.world.service;
        let all = service.session(root(), id(place));
        let creator = if kind.own { actor(None).all_territories() } else { desk() };
        let notes = "n".repeat(if kind.full { 65_500 } else { 3 });
        let order = service.session(creator, id(place));
        let order = order.create_order(request().notes(notes)).await.unwrap().id;
        for step in path_to(kind.status) {
            let mut step_change = change(step);
            if step == OrderStatus::Verified && kind.expired {
                let over = VerificationData::new("u", "phone").valid_until(Timestamp::from_micros(START - 1));
                step_change = StatusChange::to(step).verification(over);
            }
            all.update_status(order, step_change).await.unwrap();
        }
        if kind.deleted {
            all.delete_order(order, DeleteOrder::new("entered in error")).await.unwrap();
        }
        order
    }

    fn session(&self, call: Call, broken: &[Class]) -> Session {
        let has = |class| broken.contains(&class);
        let mut who = actor(has(Permission).then_some(call.permission()));
        if has(Expired) {
            who = who.expires_at(Timestamp::from_micros(START));
        }
        let place = if has(Territory) { "west" } else { "north" };
        who = who.territory(id(if has(ActorsTerritory) { "south" } else { place }));
        let session = self.world.service.session(who, id(place));
        if has(Revoked) {
            session.revoke();
        }
        session
    }

    /// Makes the call, checks its answer, and that nothing but a denial's entry was stored.
    async fn judge(&mut self, call: Call, broken: &[Class]) {
        let first = *broken.iter().min().expect("a fault");
        let order = self.order(call, broken).await;
        let session = self.session(call, broken);
        let mark = self.ledger.mark();
        let error = invoke(call, &session, order, broken).await.expect_err("the call fails");
        let what = format!("{call:?} with {broken:?}: {error:?}");
        judge_error(call, first, order, &error, &what);
        let entries = self.ledger.entries_since(&mark);
        let denied = matches!(error.code(), ErrorCode::AccessDenied | ErrorCode::TerritoryMismatch);
        if !denied {
            assert_eq!(entries, [], "{what}");
            return;
        }
        // A territory that the actor has and that exists keeps the denial; the rest is the system's, which
        // names what was asked for.
        let own = !broken.contains(&ActorsTerritory) && !broken.contains(&Territory);
        let place = session.territory().as_str();
        let expected = Line {
            chain: if own { place.to_owned() } else { String::new() },
            user_id: "u-actor".to_owned(),
            role: actor(broken.contains(&Permission).then_some(call.permission())).role_text(),
            purpose: "treatment".to_owned(),
            order_id: call.names_an_order().then_some(order),
            action: call.action().to_owned(),
            outcome: "denied".to_owned(),
            request_id: "r-1".to_owned(),
            source: "checks".to_owned(),
            details: if own { String::new() } else { format!(r#"{{"subject":"{place}"}}"#) },
            ..Line::default()
        };
        assert_eq!(entries, [expected], "{what}");
    }
}

/// The status an order must have to be moved to `to`.
fn before(to: OrderStatus) -> OrderStatus {
    match to {
        OrderStatus::InProgress => OrderStatus::Verified,
        OrderStatus::Completed | OrderStatus::Cancelled => OrderStatus::InProgress,
        _ => OrderStatus::PendingVerification,
    }
}

fn desk() -> Actor {
    Actor::new(id("u-desk"), Purpose::Treatment).role(id("requester")).all_territories()
}

/// Somebody with every permission, or all but one.
fn actor(without: Option<Permission>) -> Actor {
    let roles = Permission::ALL.iter().filter(|one| Some(**one) != without).map(|one| id(one.name()));
    let actor = Actor::new(id("u-actor"), Purpose::Treatment).roles(roles);
    actor.request_id(id("r-1")).source(id("checks"))
}

async fn invoke(call: Call, session: &Session, order: OrderId, broken: &[Class]) -> Result<(), Error> {
    let has = |class| broken.contains(&class);
    let limit = usize::from(!has(Shape));
    match call {
        Call::Create => session.create_order(creation(broken)).await.map(drop),
        Call::Creates if has(Shape) => {
            let one = || request().idempotency_key("twice");
            session.create_orders(vec![one(), one()], BatchMode::Atomic).await.map(drop)
        }
        Call::Creates => session.create_orders(vec![request()], BatchMode::Each).await.map(drop),
        Call::Order => session.order(order, None).await.map(drop),
        Call::ByKey => {
            let known = if has(OrderDeleted) { "gone" } else { "used" };
            session.order_by_key(&id(if has(OrderNowhere) { "unknown" } else { known })).await.map(drop)
        }
        Call::Orders => {
            session.orders(&OrderFilter::default(), None, limit, Some(FieldSet::EMPTY)).await.map(drop)
        }
        Call::Update(to) => session.update_status(order, update(to, broken)).await.map(drop),
        Call::Updates => {
            let one = (order, change(OrderStatus::Verified));
            let items = if has(Shape) { vec![one.clone(), one] } else { vec![one] };
            session.update_statuses(items, BatchMode::Atomic).await.map(drop)
        }
        Call::Allowed => session.allowed_transitions(order).await.map(drop),
        Call::Delete => {
            let delete = DeleteOrder::new(if has(Shape) { "" } else { "entered in error" });
            let version = if has(Shape) { Some(0) } else { has(Version).then_some(99) };
            let delete = version.into_iter().fold(delete, DeleteOrder::expected_version);
            session.delete_order(order, delete).await.map(drop)
        }
        Call::Relationships => {
            session.relationships(&RelationshipFilter::default(), None, limit).await.map(drop)
        }
        Call::Audit => {
            let filter = AuditFilter { order_id: Some(order), ..AuditFilter::default() };
            session.audit(&filter, 0, limit).await.map(drop)
        }
        Call::Disclosures => session.disclosures(&id("p-1"), 0, limit).await.map(drop),
        Call::Verify => session.verify_audit(None).await.map(drop),
        Call::Export => session.export_audit().await.map(drop),
        Call::Subscribe => session.subscribe(Some(order), None).await.map(drop),
    }
}

fn creation(broken: &[Class]) -> CreateOrder {
    let has = |class| broken.contains(&class);
    let (patient, provider) = if has(Directory) { ("p-9", "npi-9") } else { ("p-1", "npi-1") };
    let mut creation = CreateOrder::new(patient, provider, "another request");
    if has(Shape) {
        creation = CreateOrder::new("", provider, "").diagnosis_codes(["G43.9", "", "a\u{1}"]);
    }
    if has(Key) { creation.idempotency_key("used") } else { creation }
}

fn update(to: OrderStatus, broken: &[Class]) -> StatusChange {
    let has = |class| broken.contains(&class);
    let mut update = if has(Needs) { StatusChange::to(to) } else { change(to) };
    if has(Notes) {
        update = update.notes("n".repeat(100));
    }
    if has(Version) {
        update = update.expected_version(99);
    }
    if has(Key) {
        update = update.idempotency_key("used");
    }
    if has(Shape) { update.notes("\u{1}").reason("r".repeat(201)).expected_version(0) } else { update }
}

fn judge_error(call: Call, first: Class, order: OrderId, error: &Error, what: &str) {
    let code = match first {
        Shape | Notes => ErrorCode::ValidationError,
        Expired | Revoked | Permission | OwnOrder => ErrorCode::AccessDenied,
        ActorsTerritory | OrderElsewhere => ErrorCode::TerritoryMismatch,
        Territory => ErrorCode::TerritoryNotFound,
        Key => ErrorCode::IdempotencyMismatch,
        OrderNowhere | OrderDeleted => ErrorCode::OrderNotFound,
        Version => ErrorCode::VersionConflict,
        Transition | Needs => ErrorCode::InvalidStatusTransition,
        Directory => ErrorCode::PatientProviderMismatch,
    };
    assert_eq!(error.code(), code, "{what}");
    let faults: Vec<_> = error.faults().iter().map(|fault| (&*fault.path, fault.rule.name())).collect();
    let expected: &[(&str, &str)] = match (first, call) {
        (Notes, _) => &[("notes", "too_long")],
        (Shape, Call::Create) => &[
            ("patient_id", "empty"),
            ("service_type", "empty"),
            ("diagnosis_codes[1]", "empty"),
            ("diagnosis_codes[2]", "control"),
        ],
        (Shape, Call::Creates) => &[("[1].idempotency_key", "duplicate")],
        (Shape, Call::Updates) => &[("[1].order_id", "duplicate")],
        (Shape, Call::Update(_)) => {
            &[("notes", "control"), ("reason", "too_long"), ("expected_version", "format")]
        }
        (Shape, Call::Delete) => &[("reason", "empty"), ("expected_version", "format")],
        (Shape, _) => &[("limit", "format")],
        _ => &[],
    };
    assert_eq!(faults, expected, "{what}");
    let details = error.details();
    let named = matches!(first, OrderNowhere | OrderDeleted | Version | Transition | Needs);
    if call != Call::ByKey {
        assert_eq!(details.order_id, named.then(|| order.to_string()), "{what}");
    }
    assert_eq!(details.current_version.is_some(), first == Version, "{what}");
    let (Call::Update(to), true) = (call, matches!(first, Transition | Needs)) else {
        assert_eq!((details.why, details.current_status), (None, None), "{what}");
        return;
    };
    let current = if first == Transition { to } else { before(to) };
    let why = match (first, to) {
        (Transition, _) => "state",
        (_, OrderStatus::Verified) => "missing_verification",
        (_, OrderStatus::InProgress) => "verification_expired",
        _ => "missing_reason",
    };
    assert_eq!((details.why, details.current_status), (Some(why), Some(current.name())), "{what}");
    assert_eq!(details.requested_status, Some(to.name()), "{what}");
    let allowed: &[&str] = match current {
        OrderStatus::PendingVerification => &["verified", "rejected"],
        OrderStatus::Verified => &["in_progress"],
        OrderStatus::InProgress => &["completed", "cancelled"],
        _ => &[],
    };
    assert_eq!(details.allowed.as_deref(), Some(allowed), "{what}");
}

/// True if one request can have both faults.
fn can_meet(call: Call, one: Class, other: Class) -> bool {
    let both = [one, other];
    let gone = both.iter().filter(|class| GONE.contains(class)).count();
    // Notes that are too long are notes still, which is all that these two steps need.
    let notes_do = matches!(call, Call::Update(OrderStatus::Rejected | OrderStatus::Cancelled));
    one != other && gone < 2 && !(notes_do && both.contains(&Needs) && both.contains(&Notes))
}

#[tokio::test]
async fn of_all_that_is_wrong_with_a_call_the_first_class_answers() {
    let mut scene = Scene::new().await;
    for call in Call::all() {
        let classes = call.classes();
        for (at, class) in classes.iter().enumerate() {
            scene.judge(call, &[*class]).await;
            for later in classes[at..].iter().filter(|later| can_meet(call, *class, **later)) {
                scene.judge(call, &[*later, *class]).await;
            }
        }
        // All at once, as far as they can meet.
        let mut all: Vec<Class> = Vec::new();
        for class in classes.iter().rev() {
            if all.iter().all(|other| can_meet(call, *class, *other)) {
                all.push(*class);
            }
        }
        scene.judge(call, &all).await;
    }
}

#[tokio::test]
async fn without_a_fault_every_call_succeeds() {
    let mut scene = Scene::new().await;
    for call in Call::all() {
        if call != Call::Update(OrderStatus::PendingVerification) {
            // Made anew: this time the orders change.
            scene.orders.clear();
            let order = scene.order(call, &[]).await;
            let done = invoke(call, &scene.session(call, &[]), order, &[]).await;
            assert!(done.is_ok(), "{call:?}: {done:?}");
        }
    }
}
