//! Judges what processes were told against what is stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use medorder::OrderId;

use crate::history::{Act, Answer, Op, check};
use crate::raw::{RawEntry, RawFile};
use crate::told::Heard;

/// What a call may be told if others were faster or a step leads nowhere.
const FAIR: [&str; 2] = ["VERSION_CONFLICT", "not_applied"];

/// Everything that was said.
#[derive(Default)]
pub struct Testimony {
    calls: BTreeMap<String, Call>,
    /// What each reader saw, by its name and the territory.
    feeds: BTreeMap<(String, String), Vec<Event>>,
    /// How often a feed broke off, by code.
    pub breaks: BTreeMap<String, usize>,
}

struct Call {
    territory: String,
    begun: u64,
    order: Option<OrderId>,
    act: Act,
    /// `None`: whoever made it was killed first.
    end: Option<(u64, Answer, Option<String>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    order: OrderId,
    version: u64,
    status: String,
}

/// What was compared.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
#[non_exhaustive]
pub struct Figures {
    pub calls: usize,
    pub changes: usize,
    pub told_nothing: BTreeMap<String, usize>,
    pub unknown: usize,
    pub landed: usize,
    pub replays: usize,
    pub orders: usize,
    pub feeds: usize,
    pub events: usize,
}

impl Testimony {
    /// Takes a line of the process `who` in. True if it was understood.
    pub fn take(&mut self, who: &str, line: &str) -> bool {
        match crate::told::hear(line) {
            Heard::Begin { name, time, territory, order, act } => {
                let call = Call { territory, begun: time, order, act, end: None };
                assert!(self.calls.insert(name, call).is_none(), "{line}: announced twice");
            }
            Heard::End { name, time, order, answer, why } => {
                let call = self.calls.get_mut(&name).unwrap_or_else(|| panic!("{line}: never announced"));
                assert!(call.end.is_none(), "{line}: answered twice");
                assert!(
                    call.order.is_none() || order.is_none() || call.order == order,
                    "{line}: another order"
                );
                call.order = call.order.or(order);
                call.end = Some((time, answer, why));
            }
            Heard::Other(line) => match *line.split(' ').collect::<Vec<_>>().as_slice() {
                ["event", territory, order, version, status, ..] => {
                    let version = version.parse().expect("a version");
                    let event = Event { order: crate::id(order), version, status: status.to_owned() };
                    self.feeds.entry((who.to_owned(), territory.to_owned())).or_default().push(event);
                }
                // One that sees nothing is compared too.
                ["follows", territory] => {
                    self.feeds.entry((who.to_owned(), territory.to_owned())).or_default();
                }
                ["feed-error", _, code] => *self.breaks.entry(code.to_owned()).or_default() += 1,
                _ => return false,
            },
        }
        true
    }

    /// Forgets what a reader saw that was killed and not resumed.
    pub fn forget_feeds(&mut self, who: &str) {
        self.feeds.retain(|(name, _), _| name != who);
    }

    /// Compares everything with what is stored now that nobody writes any more. `allowed` are the codes with which
    /// a call may say that it did nothing; every reader has read to the end.
    ///
    /// # Panics
    /// If anything does not fit.
    #[must_use]
    pub fn judge(&mut self, raw: &RawFile, allowed: &[&str]) -> Figures {
        let faults = raw.faults();
        assert!(faults.is_empty(), "{faults:#?}");
        let log = Log::new(raw);
        self.name_orders(&log);
        let mut figures = Figures { calls: self.calls.len(), ..Figures::default() };
        let mut spoken: BTreeMap<(&str, OrderId), u64> = BTreeMap::new();
        for (name, call) in &self.calls {
            self.compare(name, call, &log, allowed, &mut figures);
            if let Some(order) = call.order {
                *spoken.entry((request(name), order)).or_default() += 1;
            }
        }
        // Nothing is in the log that nobody asked for, and no request is there twice.
        for ((request, order), entries) in &log.by_request {
            if request.is_empty() {
                continue;
            }
            let changes = entries.iter().filter(|entry| entry.is_change()).count() as u64;
            let asked = spoken.get(&(*request, *order)).copied().unwrap_or_default();
            assert!(
                changes <= asked.min(1),
                "{request} changed {order} {changes} times, asked {asked} times"
            );
        }
        figures.changes = log.changes.len();
        self.check_keys();
        figures.orders = self.check_histories(raw);
        self.check_feeds(raw, &mut figures);
        figures
    }

    /// Creates that nobody answered may have landed: the log says as which order.
    fn name_orders(&mut self, log: &Log<'_>) {
        let creates = self.calls.values().filter(|call| matches!(call.act, Act::Create { .. }));
        let named: BTreeSet<OrderId> = creates.filter_map(|call| call.order).collect();
        let mut free: HashMap<&str, Vec<OrderId>> = HashMap::new();
        for entry in log.changes.values().filter(|entry| entry.action == "create") {
            if !named.contains(&entry.order) {
                free.entry(&entry.request).or_default().push(entry.order);
            }
        }
        for (name, call) in &mut self.calls {
            let is_open = call.end.as_ref().is_none_or(|(_, answer, _)| *answer == Answer::Unknown);
            if is_open && call.order.is_none() && matches!(call.act, Act::Create { .. }) {
                call.order = free.get_mut(request(name)).and_then(Vec::pop);
            }
        }
    }

    fn compare(&self, name: &str, call: &Call, log: &Log<'_>, allowed: &[&str], figures: &mut Figures) {
        let what = || format!("{name} {:?} on {:?}: {:?}", call.act, call.order, call.end);
        let told = call.order.and_then(|order| log.by_request.get(&(request(name), order)));
        let told = told.map_or(&[][..], Vec::as_slice);
        let change = told.iter().find(|entry| entry.is_change());
        let answer = call.end.as_ref().map_or(Answer::Unknown, |(_, answer, _)| *answer);
        match answer {
            Answer::Is(version, status) => {
                let order = call.order.expect("an answer names its order");
                let stored = log.changes.get(&(order, version));
                let stored = stored.unwrap_or_else(|| panic!("{}: this version is not in the log", what()));
                assert_eq!(stored.new_status, status.name(), "{}", what());
                assert_eq!(stored.territory, call.territory, "{}", what());
                let is_keyed =
                    matches!(&call.act, Act::Create { key: Some(_) } | Act::Move { key: Some(_), .. });
                match (&call.act, change) {
                    (Act::Get, change) => {
                        assert!(change.is_none(), "{}: a view changed the order", what());
                        assert!(!told.is_empty(), "{}: no entry of this view", what());
                    }
                    (_, Some(change)) => assert_eq!(change.version, version, "{}", what()),
                    (_, None) => {
                        assert!(is_keyed, "{}: acknowledged and lost", what());
                        assert!(told.iter().any(|entry| entry.action == "view"), "{}: no entry", what());
                        figures.replays += 1;
                    }
                }
            }
            Answer::Unknown => {
                figures.unknown += 1;
                figures.landed += usize::from(change.is_some());
            }
            Answer::Nothing => {
                let why = call.end.as_ref().and_then(|(.., why)| why.as_deref()).expect("a code");
                let code = why.split(':').next().unwrap_or(why);
                assert!(FAIR.contains(&code) || allowed.contains(&code), "{}", what());
                *figures.told_nothing.entry(code.to_owned()).or_default() += 1;
                assert!(change.is_none(), "{}: it did something", what());
            }
            _ => assert!(change.is_none(), "{}: it did something", what()),
        }
    }

    /// A key makes one order.
    fn check_keys(&self) {
        let mut keys: BTreeMap<&str, OrderId> = BTreeMap::new();
        for (name, call) in &self.calls {
            // Also one that was never answered, if the log says which order it made.
            let (Act::Create { key: Some(key) }, Some(order)) = (&call.act, call.order) else { continue };
            let first = *keys.entry(key).or_insert(order);
            assert_eq!(first, order, "{name}: {key} made two orders");
        }
    }

    /// What was said about each order could have happened one call after the other.
    fn check_histories(&self, raw: &RawFile) -> usize {
        let mut histories: BTreeMap<OrderId, Vec<Op>> = BTreeMap::new();
        for (name, call) in &self.calls {
            let Some(order) = call.order else { continue };
            let (ended, answer) =
                call.end.as_ref().map_or((u64::MAX, Answer::Unknown), |(at, a, _)| (*at, *a));
            let op = Op { name: name.clone(), begun: call.begun, ended, act: call.act.clone(), answer };
            histories.entry(order).or_default().push(op);
        }
        for (order, row) in &raw.orders {
            let status = medorder::OrderStatus::parse(&row.status).expect("a status");
            let answer = if row.bare { Answer::Missing } else { Answer::Is(row.version, status) };
            let (begun, ended) = (u64::MAX - 1, u64::MAX);
            let last = Op { name: "what is stored".to_owned(), begun, ended, act: Act::Get, answer };
            histories.entry(*order).or_default().push(last);
        }
        for (order, ops) in &histories {
            if let Err(fault) = check(ops) {
                panic!("what was said about {order} cannot have happened:\n{fault}");
            }
        }
        histories.len()
    }

    /// Every reader saw the log: every event, once, in its order.
    fn check_feeds(&self, raw: &RawFile, figures: &mut Figures) {
        for ((who, territory), seen) in &self.feeds {
            let log = raw.entries.iter().filter(|entry| entry.territory == *territory && entry.is_change());
            let log: Vec<Event> = log
                .map(|entry| Event {
                    order: entry.order,
                    version: entry.version,
                    status: entry.new_status.clone(),
                })
                .collect();
            if let Some(at) = (0..log.len().max(seen.len())).find(|at| log.get(*at) != seen.get(*at)) {
                let (stored, saw) = (log.get(at), seen.get(at));
                panic!(
                    "{who} in {territory}: event {at} of {} is {stored:?}, and it saw {saw:?} ({} in all)",
                    log.len(),
                    seen.len()
                );
            }
            figures.feeds += 1;
            figures.events += seen.len();
        }
    }
}

/// The log by what is asked of it.
struct Log<'a> {
    changes: BTreeMap<(OrderId, u64), &'a RawEntry>,
    by_request: HashMap<(&'a str, OrderId), Vec<&'a RawEntry>>,
}

impl<'a> Log<'a> {
    fn new(raw: &'a RawFile) -> Self {
        let mut log = Self { changes: BTreeMap::new(), by_request: HashMap::new() };
        for entry in raw.entries.iter().filter(|entry| entry.outcome == "success") {
            log.by_request.entry((&entry.request, entry.order)).or_default().push(entry);
            if entry.is_change() {
                let twice = log.changes.insert((entry.order, entry.version), entry);
                assert!(
                    twice.is_none(),
                    "version {} of {} stands twice in the log",
                    entry.version,
                    entry.order
                );
            }
        }
        log
    }
}

/// The id of the request that a call was part of.
fn request(name: &str) -> &str {
    name.split('#').next().unwrap_or(name)
}

#[cfg(test)]
mod tests;
