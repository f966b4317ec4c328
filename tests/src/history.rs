//! Could these calls have happened one after the other? A search in the manner of Wing and Gong, with Lowe's
//! memory of where it has been, over the calls on one order.
//!
//! Calls overlap, and each must take effect at one moment between its begin and its end. A call whose outcome
//! nobody knows took effect at any moment after its begin, or never.

use std::collections::HashSet;
use std::fmt;

use medorder::{OrderStatus, Workflow};

/// What a call asked of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the requests")]
#[non_exhaustive]
pub enum Act {
    Create { key: Option<String> },
    Move { to: OrderStatus, expected: Option<u64>, key: Option<String> },
    Delete { expected: Option<u64> },
    Get,
}

/// What a call was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The order as it is after the call.
    Is(u64, OrderStatus),
    /// There is no such order.
    Missing,
    /// The order has this status and cannot move.
    Refused(OrderStatus),
    /// The order has this version and not the one expected.
    Conflict(u64),
    /// Nothing was done, for a reason outside the order.
    Nothing,
    /// Nobody knows.
    Unknown,
}

/// A call on one order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
#[expect(clippy::exhaustive_structs, reason = "suites write histories down")]
pub struct Op {
    pub name: String,
    pub begun: u64,
    pub ended: u64,
    pub act: Act,
    pub answer: Answer,
}

/// Why a history cannot be put in order.
#[derive(Debug)]
pub struct Illegal {
    /// As many calls as could be put in order.
    done: Vec<Op>,
    /// What the order was like then.
    state: String,
    /// The call that cannot be next, whichever way it is turned.
    stuck: Op,
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for op in &self.done {
            writeln!(f, "  {op:?}")?;
        }
        write!(f, "  then the order is {}, and there is no place for {:?}", self.state, self.stuck)
    }
}

/// What an order is like: nothing else decides what a call may be told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// 0 before it was created.
    version: u64,
    status: OrderStatus,
    deleted: bool,
    /// The key that each version was made under.
    keys: Vec<Option<String>>,
}

impl State {
    const fn new() -> Self {
        Self { version: 0, status: Workflow::START, deleted: false, keys: Vec::new() }
    }

    fn is(&self) -> Answer {
        if self.deleted { Answer::Missing } else { Answer::Is(self.version, self.status) }
    }

    fn next(&self, status: OrderStatus, key: Option<&String>) -> (Option<Self>, Answer) {
        let mut next = self.clone();
        next.version += 1;
        next.status = status;
        next.keys.push(key.cloned());
        let answer = next.is();
        (Some(next), answer)
    }

    /// What the order becomes, if it changes, and what the call is told. `None`: it cannot be.
    fn after(&self, act: &Act, workflow: &Workflow) -> Option<(Option<Self>, Answer)> {
        let known = |key: &Option<String>| key.is_some() && self.keys.contains(key);
        let there = self.version > 0 && !self.deleted;
        Some(match act {
            Act::Create { key } | Act::Move { key, .. } if known(key) => (None, self.is()),
            Act::Create { key } if self.version == 0 => self.next(Workflow::START, key.as_ref()),
            // Another create makes another order.
            Act::Create { .. } => return None,
            _ if !there => (None, Answer::Missing),
            Act::Get => (None, self.is()),
            Act::Move { expected: Some(expected), .. } | Act::Delete { expected: Some(expected) }
                if *expected != self.version =>
            {
                (None, Answer::Conflict(self.version))
            }
            Act::Move { to, .. } if workflow.check_state(self.status, *to).is_err() => {
                (None, Answer::Refused(self.status))
            }
            Act::Move { to, key, .. } => self.next(*to, key.as_ref()),
            Act::Delete { .. } => {
                let (next, answer) = self.next(self.status, None);
                (
                    next.map(|next| Self { deleted: true, ..next }),
                    match answer {
                        Answer::Is(..) => answer,
                        _ => return None,
                    },
                )
            }
        })
    }

    /// What the order may become by `op`, told what it was told. `None`: not from here.
    fn by(&self, op: &Op, workflow: &Workflow) -> Option<Option<Self>> {
        match (op.answer, &op.act) {
            (Answer::Nothing, _) => return Some(None),
            // Other changes were always faster, so it gave up.
            (Answer::Conflict(_), Act::Move { expected: None, .. } | Act::Delete { expected: None }) => {
                return Some(None);
            }
            _ => {}
        }
        let (next, answer) = self.after(&op.act, workflow)?;
        (op.answer == Answer::Unknown || op.answer == answer).then_some(next)
    }
}

/// Calls and returns in the order of time, as a list that gives up and takes back its members at no cost.
struct Line {
    /// Whose, and whether it is the return.
    events: Vec<(usize, bool)>,
    next: Vec<usize>,
    before: Vec<usize>,
    /// Where each call stands; its return, if anybody waits for it.
    place: Vec<(usize, Option<usize>)>,
}

/// Stands before the first event.
const START: usize = 0;

impl Line {
    fn new(ops: &[Op]) -> Self {
        let mut events: Vec<(u64, bool, usize)> = Vec::new();
        for (n, op) in ops.iter().enumerate() {
            events.push((op.begun, false, n));
            if op.answer != Answer::Unknown {
                events.push((op.ended, true, n));
            }
        }
        // Of events at one moment, the calls come first: then they overlap, which allows more.
        events.sort_unstable();
        let mut line = Self {
            events: vec![(usize::MAX, false)],
            next: (1..events.len() + 2).collect(),
            before: (0..=events.len()).map(|n| n.saturating_sub(1)).collect(),
            place: vec![(0, None); ops.len()],
        };
        for (_, is_return, n) in events {
            let at = line.events.len();
            line.events.push((n, is_return));
            if is_return {
                line.place[n].1 = Some(at);
            } else {
                line.place[n].0 = at;
            }
        }
        line
    }

    fn take(&mut self, op: usize) {
        let (call, end) = self.place[op];
        for at in std::iter::once(call).chain(end) {
            let (before, next) = (self.before[at], self.next[at]);
            self.next[before] = next;
            if let Some(slot) = self.before.get_mut(next) {
                *slot = before;
            }
        }
    }

    fn put_back(&mut self, op: usize) {
        let (call, end) = self.place[op];
        // The last that was taken comes back first.
        for at in end.into_iter().chain(std::iter::once(call)) {
            let (before, next) = (self.before[at], self.next[at]);
            self.next[before] = at;
            if let Some(slot) = self.before.get_mut(next) {
                *slot = at;
            }
        }
    }
}

/// Judges the calls on one order; the order of `ops` does not matter.
///
/// # Errors
/// The calls that could be put in order, and the first that then has no place.
pub fn check(ops: &[Op]) -> Result<(), Box<Illegal>> {
    let workflow = Workflow::standard();
    let mut line = Line::new(ops);
    let mut state = State::new();
    let twins = twins(ops);
    let mut done = vec![0_u64; ops.len().div_ceil(64)];
    let mut seen: HashSet<(Vec<u64>, State)> = HashSet::new();
    // What was put in order, the state before it, and whether it might as well have come later.
    let mut order: Vec<(usize, State, bool)> = Vec::new();
    let mut best: Option<Box<Illegal>> = None;
    let mut at = line.next[START];
    loop {
        let Some(&(op, is_return)) = line.events.get(at) else { return Ok(()) };
        if !is_return {
            // Of calls that nobody knows about and that asked the same, the first might as well be the one.
            let waits = twins[op].is_some_and(|twin| done[twin / 64] & (1 << (twin % 64)) == 0);
            let next = if waits { None } else { state.by(&ops[op], &workflow) };
            let taken = next.and_then(|next| {
                let Some(next) = next else {
                    // A call that nobody knows about and that changes nothing need not have happened.
                    let counts = ops[op].answer != Answer::Unknown;
                    done[op / 64] |= u64::from(counts) << (op % 64);
                    return counts.then(|| (state.clone(), false));
                };
                done[op / 64] |= 1 << (op % 64);
                if seen.insert((done.clone(), next.clone())) {
                    return Some((next, true));
                }
                done[op / 64] &= !(1 << (op % 64));
                None
            });
            if let Some((next, changes)) = taken {
                order.push((op, std::mem::replace(&mut state, next), changes));
                line.take(op);
                at = line.next[START];
            } else {
                at = line.next[at];
            }
            continue;
        }
        // This call has ended and could not be put anywhere: something before was put wrong.
        if best.as_ref().is_none_or(|best| best.done.len() < order.len()) {
            best = Some(Box::new(Illegal {
                done: order.iter().map(|(n, ..)| ops[*n].clone()).collect(),
                state: format!("{state:?}"),
                stuck: ops[op].clone(),
            }));
        }
        loop {
            let Some((op, before, changes)) = order.pop() else {
                return Err(best.expect("the search got stuck somewhere"));
            };
            state = before;
            done[op / 64] &= !(1 << (op % 64));
            line.put_back(op);
            // What changes nothing is best put first: to put it later helps nobody.
            if changes {
                at = line.next[line.place[op].0];
                break;
            }
        }
    }
}

/// For each call that nobody knows about, the one before it that asked the same.
fn twins(ops: &[Op]) -> Vec<Option<usize>> {
    let mut unknown: Vec<usize> = (0..ops.len()).filter(|n| ops[*n].answer == Answer::Unknown).collect();
    unknown.sort_unstable_by_key(|n| (ops[*n].begun, *n));
    let mut twins = vec![None; ops.len()];
    for (at, n) in unknown.iter().enumerate() {
        twins[*n] = unknown[..at].iter().rev().find(|before| ops[**before].act == ops[*n].act).copied();
    }
    twins
}

#[cfg(test)]
mod tests;
