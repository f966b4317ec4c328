//! Every method of the storage, called as services call it.

use medorder::audit::chain::link;
use medorder::audit::{AuditKeys, Entry, EntryDraft, Head};
use medorder::storage::{
    BoxFuture, EntryQuery, IdempotencyRecord, KeyRow, Linker, NotNow, OrderRow, OrderUpdate, Outcome,
    Relationship, RelationshipQuery, Storage, Unit, Write,
};
use medorder::{Chain, OrderId, Result, TerritoryId};
use tokio::runtime::Runtime;

use super::model::{PAGE, id, key, lists, made, wrapped};

/// An engine in use.
pub(crate) struct Drive<'a> {
    pub(crate) engine: &'a dyn Storage,
    pub(crate) runtime: &'a Runtime,
    /// Never the same twice on one database.
    pub(crate) turn: u64,
}

/// A labelled call.
pub(crate) struct Act {
    pub(crate) name: String,
    /// How many rows of the big tables it may touch.
    pub(crate) rows: u64,
    /// Why it may walk without that bound.
    pub(crate) walks: Option<&'static str>,
    /// How much it must answer at least, so that nothing is judged on an empty answer.
    gives: usize,
    run: Box<dyn Fn(&Drive<'_>) -> usize>,
}

impl Act {
    fn new(name: &str, rows: u64, gives: usize, run: impl Fn(&Drive<'_>) -> usize + 'static) -> Self {
        Self { name: name.to_owned(), rows, walks: None, gives, run: Box::new(run) }
    }

    const fn walks(mut self, why: &'static str) -> Self {
        self.walks = Some(why);
        self
    }

    pub(crate) fn run(&self, drive: &Drive<'_>) {
        let got = (self.run)(drive);
        assert!(got >= self.gives, "{} answers {got}, not {}", self.name, self.gives);
    }
}

struct Keys;

impl Linker for Keys {
    fn link(&self, chain: &Chain, head: &Head, drafts: &[EntryDraft]) -> Result<Vec<Entry>> {
        Ok(link(chain.as_str(), &AuditKeys::new(chain.as_str(), &[7; 32]), head, drafts))
    }
}

pub(crate) fn place(name: &str) -> TerritoryId {
    name.parse().expect("a good id")
}

fn chain(name: &str) -> Chain {
    Chain::parse(name).expect("a good chain")
}

impl Drive<'_> {
    pub(crate) fn read<T>(&self, read: BoxFuture<'_, Result<T>>) -> T {
        self.runtime.block_on(read).expect("a healthy engine reads")
    }

    fn commit(&self, units: Vec<Unit>) -> Vec<Outcome> {
        self.runtime.block_on(self.engine.commit(units, &Keys)).expect("a healthy engine commits")
    }

    /// Commits units that must fit; answers how many.
    pub(crate) fn done(&self, units: Vec<Unit>) -> usize {
        let outcomes = self.commit(units);
        assert!(outcomes.iter().all(|one| matches!(one, Outcome::Done { .. })), "{outcomes:?}");
        outcomes.len()
    }

    fn epoch(&self, territory: &str) -> u64 {
        self.read(self.engine.territory(&chain(territory))).expect("the territory is there").epoch
    }

    pub(crate) fn unit(&self, territory: &str, writes: Vec<Write>, drafts: Vec<EntryDraft>) -> Unit {
        let mut unit = Unit::new(chain(territory), self.epoch(territory));
        (unit.writes, unit.drafts) = (writes, drafts);
        unit
    }

    /// A stored order of big that no other turn changes, none of them a skeleton.
    fn stored(&self, k: u64) -> u64 {
        10_000 + self.turn * 10 + k
    }

    fn create(&self, territory: &str, k: u64) -> Unit {
        let i = 1_000_000 + self.turn * 10 + k;
        let row = OrderRow {
            order_id: id(i),
            patient_id: "p-5".to_owned(),
            provider_id: "npi-3".to_owned(),
            status: "pending_verification".to_owned(),
            version: 1,
            created_at: made(i),
            updated_at: made(i),
            wrapped: Some(wrapped()),
            seal: Some(vec![1; 65]),
            fields: [Some(vec![1; 40]), None, None, None, None],
        };
        let mut unit =
            self.unit(territory, vec![Write::Insert(Box::new(row))], vec![change(id(i), "create", 1)]);
        unit.idempotency.push(IdempotencyRecord {
            key: key(i),
            request: [1; 32],
            order_id: id(i),
            row_version: 1,
            at: made(i),
        });
        unit
    }

    fn update(&self, territory: &str, order: OrderId, phi: bool) -> Unit {
        let now = self.read(self.engine.order(&place(territory), order)).expect("the order is there").version;
        let update = OrderUpdate {
            order_id: order,
            from_version: now,
            status: "verified".to_owned(),
            version: now + 1,
            updated_at: made(1),
            seal: vec![2; 65],
            fields: phi.then(|| [None, Some(vec![4; 80]), None, None, None]),
        };
        let draft = change(order, "update_status", now + 1);
        self.unit(territory, vec![Write::Update(Box::new(update))], vec![draft])
    }

    fn shred(&self, k: u64) -> Unit {
        let order = id(self.stored(k));
        let write = Write::Shred { order_id: order, from_version: 1, updated_at: made(2) };
        self.unit("big", vec![write], vec![change(order, "delete", 2)])
    }

    fn view(&self, territory: &str, orders: &[OrderId]) -> Unit {
        let writes = orders.iter().map(|order| Write::Present(*order)).collect();
        let drafts = orders.iter().map(|order| change(*order, "view", 1)).collect();
        self.unit(territory, writes, drafts)
    }

    fn view_of(&self, k: u64, count: u64) -> Unit {
        // Not divisible by a hundred less one: see the model's skeletons.
        let orders: Vec<OrderId> =
            (0..count).map(|n| id(40_000 + self.turn * 1_000 % 40_000 + k + n * 3 / 2)).collect();
        self.view("big", &orders)
    }
}

fn draft(action: &'static str) -> EntryDraft {
    EntryDraft {
        at: made(1),
        user_id: "u-1".to_owned(),
        role: "r".to_owned(),
        purpose: String::new(),
        order_id: [0; 16],
        action: action.into(),
        outcome: "success".into(),
        old_status: "".into(),
        new_status: "".into(),
        row_version: 0,
        row_mac: [0; 32],
        fields: 0,
        request_id: "q".to_owned(),
        source: "s".to_owned(),
        details: Vec::new(),
    }
}

fn change(order: OrderId, action: &'static str, row_version: u64) -> EntryDraft {
    EntryDraft { order_id: *order.as_bytes(), row_version, row_mac: [1; 32], fields: 5, ..draft(action) }
}

/// Groups that services make all the time: one statement on PostgreSQL once the heads are known.
pub(crate) fn commits() -> Vec<Act> {
    let mut acts = vec![
        Act::new("commit create", 20, 1, |d| d.done(vec![d.create("big", 0)])),
        Act::new("commit three creates", 40, 3, |d| {
            d.done(vec![d.create("big", 1), d.create("big", 2), d.create("big", 3)])
        }),
        Act::new("commit creates over territories", 40, 3, |d| {
            d.done(vec![d.create("big", 4), d.create("mid", 5), d.create("small", 6)])
        }),
        Act::new("commit update", 20, 1, |d| d.done(vec![d.update("big", id(d.stored(0)), false)])),
        Act::new("commit update of phi", 20, 1, |d| d.done(vec![d.update("big", id(d.stored(1)), true)])),
        Act::new("commit two updates", 20, 2, |d| {
            d.done(vec![d.update("big", id(d.stored(5)), false), d.update("big", id(d.stored(6)), true)])
        }),
        Act::new("commit view", 20, 1, |d| d.done(vec![d.view_of(0, 1)])),
        Act::new("commit views of a page", 200, 1, |d| d.done(vec![d.view_of(0, 50)])),
        Act::new("commit entry", 20, 1, |d| d.done(vec![d.unit("big", vec![], vec![draft("audit")])])),
        Act::new("commit of every plain kind", 60, 3, |d| {
            let one = d.update("big", id(d.stored(2)), true);
            d.done(vec![d.create("big", 7), one, d.view_of(0, 2)])
        }),
        Act::new("commit of every plain kind over territories", 100, 4, |d| {
            let one = d.update("big", id(d.stored(3)), false);
            let two = d.update("mid", id(92_000 + d.turn * 10 % 5_000), true);
            d.done(vec![d.create("small", 8), one, two, d.view("small", &[id(98_001), id(98_002)])])
        }),
    ];
    acts.push(Act::new("commit_now", 20, 1, |d| match d.engine.commit_now(d.create("big", 9), &Keys) {
        Ok(Outcome::Done { .. }) => 1,
        other => {
            panic!("an idle engine commits now: {:?}", other.map_err(|why| matches!(why, NotNow::Busy(_))))
        }
    }));
    acts
}

/// What a new database sees before it holds anything: every kind of statement, each with several rows.
pub(crate) fn firsts() -> Vec<Act> {
    vec![Act::new("first orders", 100, 6, |d| {
        let made = d.done(vec![d.create("big", 1), d.create("big", 2)]);
        let [one, two] = [1, 2].map(|k| id(1_000_000 + d.turn * 10 + k));
        let changed = d.done(vec![d.update("big", one, false), d.update("big", two, true)]);
        made + changed + 2 * d.done(vec![d.view("big", &[one, two])])
    })]
}

/// Everything else that is written: under the heads' locks.
pub(crate) fn locked() -> Vec<Act> {
    vec![
        Act::new("commit delete", 20, 1, |d| d.done(vec![d.shred(4)])),
        Act::new("commit rewraps", 250, 1, |d| {
            let rewrap = |n: u64| Write::Rewrap { order_id: id(60_100 + n), old: wrapped(), new: wrapped() };
            d.done(vec![d.unit("big", (0..90).map(rewrap).collect(), vec![])])
        }),
        Act::new("commit key", 8, 1, |d| {
            let version = u32::try_from(d.turn).expect("few turns") + 10;
            let row =
                KeyRow { purpose: "data".into(), territory: "small".into(), version, blob: vec![1; 80] };
            d.done(vec![d.unit("small", vec![Write::Key(row)], vec![draft("rotate_key")])])
        }),
        Act::new("commit of all keys", 8, 1, |d| {
            let old = d.read(d.engine.all_keys());
            let write = Write::ReplaceKeys { new: old.clone(), old };
            d.done(vec![d.unit("", vec![write], vec![draft("change_root")])])
        }),
        Act::new("commit generation", 8, 1, |d| {
            d.done(vec![d.unit("", vec![Write::Generation([0xA5; 16])], vec![draft("restore")])])
        }),
        Act::new("commit unregister", 8, 1, |d| {
            d.done(vec![d.unit("small", vec![Write::Unregister], vec![draft("unregister")])])
        }),
        Act::new("commit register", 8, 1, |d| {
            d.done(vec![d.unit("small", vec![Write::Territory], vec![draft("register")])])
        }),
        Act::new("commit raise", 8, 1, |d| {
            d.done(vec![d.unit("small", vec![Write::RaiseEpoch], vec![draft("revoke")])])
        }),
        Act::new("commit relationship", 8, 1, |d| {
            let pair = Relationship { patient_id: format!("p-new-{}", d.turn), provider_id: "npi-1".into() };
            let gone = Relationship { patient_id: "p-5".into(), provider_id: format!("npi-{}", d.turn) };
            let writes = vec![Write::Relationship(pair.clone()), Write::RemoveRelationship(gone)];
            d.done(vec![d.unit("big", writes, vec![draft("relationship")])]).min(d.done(vec![d.unit(
                "big",
                vec![Write::RemoveRelationship(pair)],
                vec![],
            )]))
        }),
        Act::new("commit checkpoint", 8, 1, |d| {
            let write = Write::Checkpoint { seq: d.turn, note: "note".into() };
            d.done(vec![d.unit("big", vec![write], vec![draft("checkpoint")])])
        }),
        Act::new("commit conflict", 12, 1, |d| {
            let mut unit = d.update("big", id(d.stored(5)), false);
            for write in &mut unit.writes {
                let Write::Update(update) = write else { continue };
                update.from_version += 7;
            }
            d.commit(vec![unit]).iter().filter(|one| matches!(one, Outcome::Conflict { .. })).count()
        }),
        Act::new("commit replay", 12, 1, |d| {
            let mut unit = d.create("big", 9);
            unit.idempotency[0].key = key(5);
            d.commit(vec![unit]).iter().filter(|one| matches!(one, Outcome::Replay(_))).count()
        }),
        Act::new("commit stale", 12, 1, |d| {
            let mut unit = d.create("big", 9);
            unit.epoch += 9;
            d.commit(vec![unit]).iter().filter(|one| **one == Outcome::StaleEpoch).count()
        }),
    ]
}

/// Look-ups and pages, but for the lists of orders.
pub(crate) fn reads() -> Vec<Act> {
    let page = PAGE as u64;
    let mut acts = vec![
        Act::new("meta", 0, 1, |d| usize::from(d.read(d.engine.meta()).format == 1)),
        Act::new("territory", 2, 1, |d| d.read(d.engine.territory(&chain("big"))).iter().count()),
        Act::new("territories", 8, 4, |d| d.read(d.engine.territories()).len()),
        Act::new("keys", 0, 2, |d| d.read(d.engine.keys(&Chain::System)).len()),
        Act::new("all_keys", 0, 3, |d| d.read(d.engine.all_keys()).len()),
        Act::new("order", 1, 1, |d| d.read(d.engine.order(&place("big"), id(500))).iter().count()),
        Act::new("order of nobody", 1, 0, |d| d.read(d.engine.order(&place("big"), id(0))).iter().count()),
        Act::new("order_exists", 4, 1, |d| usize::from(d.read(d.engine.order_exists(id(99_000))))),
        Act::new("order_exists not", 4, 1, |d| usize::from(!d.read(d.engine.order_exists(id(0))))),
        Act::new("order_count", 0, 90_000, |d| {
            usize::try_from(d.read(d.engine.order_count(&place("big")))).expect("few")
        })
        .walks("it counts: rows are neither counted twice in a table of its own nor guessed"),
        Act::new("walk", page, PAGE, |d| d.read(d.engine.walk(&place("big"), None, PAGE)).len()),
        Act::new("walk on", page, PAGE, |d| {
            d.read(d.engine.walk(&place("big"), Some(id(45_000)), PAGE)).len()
        }),
        Act::new("strays", 200, 1, |d| usize::from(!d.read(d.engine.strays()))),
        Act::new("wraps_other_than", page + 5, PAGE, |d| {
            d.read(d.engine.wraps_other_than(&place("big"), 2, Some(id(20_000)), PAGE)).len()
        }),
        Act::new("wraps_other_than none", 0, 0, |d| {
            d.read(d.engine.wraps_other_than(&place("big"), 1, None, PAGE)).len()
        })
        .walks("a rotation looks at every order once; an index of key versions would cost each commit"),
        Act::new("idempotency", 1, 1, |d| d.read(d.engine.idempotency(&place("big"), key(5))).iter().count()),
        Act::new("records", page, PAGE, |d| {
            d.read(d.engine.records(&place("big"), Some(key(5)), PAGE)).len()
        }),
        Act::new("changes", 4, 1, |d| d.read(d.engine.changes(&place("big"), id(500), 0, 9)).len()),
        Act::new("events", 2 * page + 4, PAGE, |d| events(d, None, 90_000)),
        Act::new("events of one order", 8, 1, |d| events(d, Some(id(45_005)), 90_000)),
        Act::new("events at the end", 2_000, 0, |d| {
            let end = d.read(d.engine.territory(&chain("big"))).expect("it is there").last_seq;
            events(d, None, end)
        }),
        Act::new("relationship", 1, 1, |d| {
            usize::from(d.read(d.engine.relationship(&place("big"), &pair())))
        }),
        Act::new("relationship not", 1, 1, |d| {
            let pair = Relationship { patient_id: "p-6".into(), provider_id: "npi-lone".into() };
            usize::from(!d.read(d.engine.relationship(&place("big"), &pair)))
        }),
        Act::new("relationships", page, PAGE, |d| related(d, None, None, None)),
        Act::new("relationships on", page, PAGE, |d| related(d, None, None, Some(pair()))),
        Act::new("relationships of a patient", 8, 4, |d| related(d, Some("p-6"), None, None)),
        Act::new("relationships of a patient on", 8, 0, |d| related(d, Some("p-6"), None, Some(pair()))),
        Act::new("relationships of both", 2, 1, |d| related(d, Some("p-6"), Some("npi-1"), None)),
        Act::new("relationships of a provider", 0, 1, |d| related(d, None, Some("npi-lone"), None))
            .walks("an administrator's list; the key begins with the patient, for the check in every create"),
        Act::new("checkpoint", 1, 0, |d| d.read(d.engine.checkpoint(&chain("big"))).iter().count()),
    ];
    acts.extend(entries());
    acts
}

fn events(d: &Drive<'_>, order: Option<OrderId>, after: u64) -> usize {
    d.read(d.engine.events(&place("big"), order, after, PAGE)).expect("it is there").events.len()
}

fn pair() -> Relationship {
    Relationship { patient_id: "p-6".into(), provider_id: "npi-1".into() }
}

fn related(
    d: &Drive<'_>,
    patient: Option<&str>,
    provider: Option<&str>,
    after: Option<Relationship>,
) -> usize {
    let query = RelationshipQuery {
        patient_id: patient.map(str::to_owned),
        provider_id: provider.map(str::to_owned),
        after,
    };
    d.read(d.engine.relationships(&place("big"), &query, PAGE)).len()
}

/// Pages of the log, with each member of a query.
fn entries() -> Vec<Act> {
    let none = EntryQuery::default;
    let page = PAGE as u64;
    let order = || EntryQuery { order_id: Some(id(45_005)), ..none() };
    let patient = |who: &str| EntryQuery { patient_id: Some(who.to_owned()), ..none() };
    let user = |who: &str| EntryQuery { user_id: Some(who.to_owned()), ..none() };
    let act = |name: &str, rows, gives, query: EntryQuery| {
        Act::new(&format!("entries {name}"), rows, gives, move |d| {
            d.read(d.engine.entries(&chain("big"), &query, PAGE)).len()
        })
    };
    let chain_walk = "no index by user or time: a page walks the chain from where it goes on";
    vec![
        act("of a chain", page, PAGE, none()),
        act("on", page, PAGE, EntryQuery { after: 100_000, ..none() }),
        act("between", 10, 10, EntryQuery { after: 100_000, upto: Some(100_010), ..none() }),
        act("of an order", 8, 2, order()),
        act("of an order on", 8, 0, EntryQuery { after: 100_000, upto: Some(170_000), ..order() }),
        act("of an order disclosed", 8, 1, EntryQuery { disclosures: true, ..order() }),
        act("of an order by a user", 8, 0, EntryQuery { user_id: Some("u-1".to_owned()), ..order() }),
        // Turns create orders of this patient.
        act("of a patient", 4_000, 6, patient("p-5")),
        act("of a patient disclosed", 4_000, 3, EntryQuery { disclosures: true, ..patient("p-5") }),
        act("of a patient on", 4_000, 1, EntryQuery { after: 90_000, ..patient("p-5") }),
        act("of a patient with an order", 20, 2, EntryQuery { order_id: Some(id(40_005)), ..patient("p-5") }),
        act(
            "of a patient then",
            4_000,
            1,
            EntryQuery { from: Some(made(30_000)), to: Some(made(60_000)), ..patient("p-5") },
        ),
        act("of a user", 100 * page + 100, PAGE, user("u-3")),
        act("of nobody", 0, 0, user("u-none")).walks(chain_walk),
        act("of a time", 0, PAGE, EntryQuery { from: Some(made(45_000)), to: Some(made(46_000)), ..none() })
            .walks(chain_walk),
        act("disclosed", 3 * page, PAGE, EntryQuery { disclosures: true, ..none() }),
    ]
}

/// The lists of orders.
pub(crate) fn pages() -> Vec<Act> {
    let mut acts = Vec::new();
    for list in lists() {
        let (best, found) = list.best();
        let (name, filter, before) = (list.name(), list.filter(), list.before.map(id));
        assert!(best <= 2_000 || list.walks().is_some(), "{name} walks {best} rows, and nothing says why");
        // What is planned without knowing the rows may be twice as far off.
        let rows = 2 * best.max(1_000) + 3 * PAGE as u64 + list.instead();
        let act = Act::new(&name, rows, 0, move |d| {
            let rows = d.read(d.engine.orders(&place("big"), &filter, before, PAGE));
            // What other acts have made and changed is newer than all of the model's, or of another status.
            let least = if found == PAGE { PAGE } else { 0 };
            assert!(rows.len() >= least, "{} of {least} orders", rows.len());
            rows.len()
        });
        acts.push(Act { gives: usize::from(found > 5), walks: list.walks().filter(|_| best > 2_000), ..act });
    }
    acts
}
