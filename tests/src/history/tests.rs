//! The judge is judged: histories that could be are let pass, histories that could not be are not.

use medorder::OrderStatus::{
    self, Cancelled, Completed, InProgress, PendingVerification, Rejected, Verified,
};

use super::{Act, Answer, Op, check};

const fn to(to: OrderStatus) -> Act {
    Act::Move { to, expected: None, key: None }
}

fn keyed(to: OrderStatus, key: &str) -> Act {
    Act::Move { to, expected: None, key: Some(key.to_owned()) }
}

const fn expecting(to: OrderStatus, version: u64) -> Act {
    Act::Move { to, expected: Some(version), key: None }
}

const CREATE: Act = Act::Create { key: None };
const DELETE: Act = Act::Delete { expected: None };

fn op(begun: u64, ended: u64, act: Act, answer: Answer) -> Op {
    Op { name: format!("{begun}"), begun, ended, act, answer }
}

fn created() -> Op {
    op(0, 1, CREATE, Answer::Is(1, PendingVerification))
}

#[track_caller]
fn legal(ops: impl IntoIterator<Item = Op>) {
    let mut ops: Vec<Op> = std::iter::once(created()).chain(ops).collect();
    for _ in 0..ops.len() {
        if let Err(fault) = check(&ops) {
            panic!("refused:\n{fault}");
        }
        ops.rotate_left(1);
    }
}

#[track_caller]
fn illegal(ops: impl IntoIterator<Item = Op>) {
    let mut ops: Vec<Op> = std::iter::once(created()).chain(ops).collect();
    for _ in 0..ops.len() {
        assert!(check(&ops).is_err(), "let pass: {ops:#?}");
        ops.rotate_left(1);
    }
}

#[test]
fn a_life_in_order_is_legal() {
    legal([
        op(2, 3, to(Verified), Answer::Is(2, Verified)),
        op(4, 5, Act::Get, Answer::Is(2, Verified)),
        op(6, 7, expecting(InProgress, 2), Answer::Is(3, InProgress)),
        op(8, 9, expecting(Cancelled, 2), Answer::Conflict(3)),
        op(10, 11, to(Verified), Answer::Refused(InProgress)),
        op(12, 13, to(Completed), Answer::Is(4, Completed)),
        op(14, 15, DELETE, Answer::Is(5, Completed)),
        op(16, 17, Act::Get, Answer::Missing),
        op(18, 19, to(Cancelled), Answer::Missing),
        op(20, 21, DELETE, Answer::Missing),
    ]);
    assert!(check(&[]).is_ok());
}

#[test]
fn calls_that_overlap_may_take_effect_in_either_order() {
    legal([
        op(2, 10, to(Verified), Answer::Is(2, Verified)),
        op(3, 9, to(Rejected), Answer::Refused(Verified)),
        op(4, 5, Act::Get, Answer::Is(1, PendingVerification)),
        op(6, 7, Act::Get, Answer::Is(2, Verified)),
    ]);
    legal([
        op(2, 10, to(Verified), Answer::Refused(Rejected)),
        op(3, 9, to(Rejected), Answer::Is(2, Rejected)),
        op(2, 10, Act::Get, Answer::Is(2, Rejected)),
        op(2, 10, Act::Get, Answer::Is(1, PendingVerification)),
    ]);
}

#[test]
fn a_search_that_takes_the_wrong_turn_comes_back() {
    // Both deletes could be first; only one order explains the read.
    let all = |first: Answer, second: Answer| {
        [op(2, 20, to(Verified), first), op(2, 20, DELETE, second), op(2, 20, to(Rejected), Answer::Missing)]
    };
    legal(all(Answer::Is(2, Verified), Answer::Is(3, Verified)));
    legal(all(Answer::Missing, Answer::Is(2, PendingVerification)));
    illegal(all(Answer::Missing, Answer::Is(3, Verified)));
    // The unknown one may have to be left out, or to come late.
    legal([
        op(2, 3, to(Rejected), Answer::Unknown),
        op(4, 5, to(Verified), Answer::Is(2, Verified)),
        op(6, 7, to(InProgress), Answer::Is(3, InProgress)),
    ]);
    legal([
        op(2, 3, to(Verified), Answer::Unknown),
        op(4, 5, Act::Get, Answer::Is(1, PendingVerification)),
        op(6, 7, Act::Get, Answer::Is(2, Verified)),
    ]);
}

#[test]
fn an_unknown_call_happens_once_at_most_and_not_before_it_began() {
    illegal([
        op(2, 3, to(Verified), Answer::Unknown),
        op(4, 5, Act::Get, Answer::Is(2, Verified)),
        op(6, 7, Act::Get, Answer::Is(1, PendingVerification)),
    ]);
    illegal([op(2, 3, Act::Get, Answer::Is(2, Verified)), op(4, 5, to(Verified), Answer::Unknown)]);
    // A create that nobody knows about.
    let create = || op(0, 1, CREATE, Answer::Unknown);
    assert!(check(&[create()]).is_ok());
    assert!(check(&[create(), op(2, 3, Act::Get, Answer::Missing)]).is_ok());
    assert!(check(&[create(), op(2, 3, Act::Get, Answer::Is(1, PendingVerification))]).is_ok());
    assert!(check(&[op(2, 3, Act::Get, Answer::Is(1, PendingVerification))]).is_err());
}

#[test]
fn a_lost_update_is_illegal() {
    illegal([
        op(2, 10, expecting(Verified, 1), Answer::Is(2, Verified)),
        op(2, 10, expecting(Rejected, 1), Answer::Is(2, Rejected)),
    ]);
    // Acknowledged, then gone.
    illegal([
        op(2, 3, to(Verified), Answer::Is(2, Verified)),
        op(4, 5, Act::Get, Answer::Is(1, PendingVerification)),
    ]);
    // Acknowledged, then overwritten as if it had never been.
    illegal([
        op(2, 3, to(Verified), Answer::Is(2, Verified)),
        op(4, 5, to(Rejected), Answer::Is(2, Rejected)),
    ]);
}

#[test]
fn a_stale_read_after_a_newer_one_is_illegal() {
    illegal([
        op(2, 20, to(Verified), Answer::Is(2, Verified)),
        op(3, 4, Act::Get, Answer::Is(2, Verified)),
        op(5, 6, Act::Get, Answer::Is(1, PendingVerification)),
    ]);
    // A refusal is a read too.
    illegal([
        op(2, 20, to(Verified), Answer::Is(2, Verified)),
        op(3, 4, Act::Get, Answer::Is(2, Verified)),
        op(5, 6, to(Completed), Answer::Refused(PendingVerification)),
    ]);
    illegal([
        op(2, 3, to(Verified), Answer::Is(2, Verified)),
        op(4, 5, expecting(InProgress, 7), Answer::Conflict(1)),
    ]);
}

#[test]
fn a_version_twice_or_left_out_is_illegal() {
    illegal([
        op(2, 10, to(Verified), Answer::Is(2, Verified)),
        op(2, 10, to(Verified), Answer::Is(2, Verified)),
    ]);
    illegal([op(2, 3, to(Verified), Answer::Is(3, Verified))]);
    illegal([op(2, 3, to(Verified), Answer::Is(1, Verified))]);
    illegal([created()]);
}

#[test]
fn a_step_that_the_workflow_lacks_is_illegal() {
    illegal([op(2, 3, to(Completed), Answer::Is(2, Completed))]);
    illegal([op(2, 3, to(Verified), Answer::Is(2, Rejected))]);
    illegal([op(2, 3, to(Verified), Answer::Refused(PendingVerification))]);
    illegal([op(2, 3, expecting(Verified, 9), Answer::Is(2, Verified))]);
}

#[test]
fn a_resurrected_order_is_illegal() {
    illegal([
        op(2, 3, DELETE, Answer::Is(2, PendingVerification)),
        op(4, 5, Act::Get, Answer::Is(1, PendingVerification)),
    ]);
    illegal([
        op(2, 3, DELETE, Answer::Is(2, PendingVerification)),
        op(4, 5, to(Verified), Answer::Is(3, Verified)),
    ]);
    illegal([
        op(2, 10, DELETE, Answer::Is(2, PendingVerification)),
        op(2, 10, DELETE, Answer::Is(2, PendingVerification)),
    ]);
    // Nobody deleted it.
    illegal([op(2, 3, Act::Get, Answer::Missing)]);
}

#[test]
fn a_key_applies_once() {
    legal([
        op(2, 10, keyed(Verified, "k"), Answer::Is(2, Verified)),
        op(2, 10, keyed(Verified, "k"), Answer::Is(2, Verified)),
        op(11, 12, to(InProgress), Answer::Is(3, InProgress)),
        op(13, 14, keyed(Verified, "k"), Answer::Is(3, InProgress)),
        op(15, 16, DELETE, Answer::Is(4, InProgress)),
        op(17, 18, keyed(Verified, "k"), Answer::Missing),
    ]);
    // Unknown, then retried: once in all.
    legal([
        op(2, 3, keyed(Verified, "k"), Answer::Unknown),
        op(4, 5, keyed(Verified, "k"), Answer::Is(2, Verified)),
        op(6, 7, Act::Get, Answer::Is(2, Verified)),
    ]);
    // Applied, then applied again as another version of the same.
    illegal([
        op(2, 3, keyed(Verified, "k"), Answer::Is(2, Verified)),
        op(4, 5, keyed(Verified, "k"), Answer::Is(3, Verified)),
    ]);
    // A retry that is told to have failed although the first one was applied.
    illegal([
        op(2, 3, keyed(Verified, "k"), Answer::Is(2, Verified)),
        op(4, 5, keyed(Verified, "k"), Answer::Refused(Verified)),
    ]);
    // Under another key it is another request.
    illegal([
        op(2, 10, keyed(Verified, "k"), Answer::Is(2, Verified)),
        op(2, 10, keyed(Verified, "l"), Answer::Is(2, Verified)),
    ]);
    // A create under a key answers the order that is there.
    let create = |begun, answer| op(begun, begun + 1, Act::Create { key: Some("c".to_owned()) }, answer);
    let first = create(0, Answer::Is(1, PendingVerification));
    let moved = op(2, 3, to(Verified), Answer::Is(2, Verified));
    assert!(check(&[first.clone(), moved.clone(), create(4, Answer::Is(2, Verified))]).is_ok());
    assert!(check(&[first, moved, create(4, Answer::Is(1, PendingVerification))]).is_err());
}

#[test]
fn a_call_that_did_nothing_did_nothing() {
    legal([
        op(2, 3, to(Verified), Answer::Nothing),
        op(4, 5, Act::Get, Answer::Is(1, PendingVerification)),
        op(6, 7, to(Verified), Answer::Conflict(1)),
    ]);
    illegal([op(2, 3, to(Verified), Answer::Nothing), op(4, 5, Act::Get, Answer::Is(2, Verified))]);
}

#[test]
fn many_readers_beside_few_writers_are_judged_in_no_time() {
    let mut ops = vec![created(), op(5_000, 5_001, to(Verified), Answer::Is(2, Verified))];
    for n in 0..1_000 {
        let seen = if n % 2 == 0 { PendingVerification } else { Verified };
        ops.push(op(2, 10_000, Act::Get, Answer::Is(1 + n % 2, seen)));
        ops.push(op(2, 3, to([Rejected, Cancelled][n as usize % 2]), Answer::Unknown));
    }
    assert!(check(&ops).is_ok());
    ops.push(op(10_001, 10_002, Act::Get, Answer::Is(2, Rejected)));
    assert!(check(&ops).is_err());
}
