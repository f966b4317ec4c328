//! The workflow against an oracle: the rows of the specification, written out here by hand.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use medorder::{
    ErrorCode, Given, Need, OrderId, OrderStatus, Permission, Timestamp, Why, Workflow, WorkflowPolicy,
};
use proptest::prelude::*;

/// from, to, what it needs, permission
type Row = (&'static str, &'static str, &'static str, &'static str);

const STANDARD: &[Row] = &[
    ("pending_verification", "verified", "verification", "order.verify"),
    ("pending_verification", "rejected", "reason", "order.verify"),
    ("verified", "in_progress", "unexpired", "order.fulfil"),
    ("in_progress", "completed", "nothing", "order.fulfil"),
    ("in_progress", "cancelled", "reason", "order.cancel"),
];

const WITH_EARLY_CANCEL: &[Row] = &[
    ("pending_verification", "verified", "verification", "order.verify"),
    ("pending_verification", "rejected", "reason", "order.verify"),
    ("pending_verification", "cancelled", "reason", "order.cancel"),
    ("verified", "in_progress", "unexpired", "order.fulfil"),
    ("verified", "cancelled", "reason", "order.cancel"),
    ("in_progress", "completed", "nothing", "order.fulfil"),
    ("in_progress", "cancelled", "reason", "order.cancel"),
];

const STATUSES: [&str; 6] =
    ["pending_verification", "verified", "rejected", "in_progress", "completed", "cancelled"];

const TERMINAL: [&str; 3] = ["rejected", "completed", "cancelled"];

const NOW: i64 = 1_772_000_000_000_000;

fn status(name: &str) -> OrderStatus {
    name.parse().unwrap()
}

fn worlds() -> [(Workflow, &'static [Row]); 2] {
    let early = WorkflowPolicy::default().cancel_before_start(true);
    [(Workflow::standard(), STANDARD), (Workflow::new(early), WITH_EARLY_CANCEL)]
}

fn row(rows: &'static [Row], from: &str, to: &str) -> Option<&'static Row> {
    rows.iter().find(|row| (row.0, row.1) == (from, to))
}

/// Every mix of what a request can bring; `valid_until` before, at and after now.
fn givens() -> impl Iterator<Item = (bool, bool, Option<i64>)> {
    let untils = [None, Some(NOW - 1), Some(NOW), Some(NOW + 1)];
    untils.into_iter().flat_map(|until| {
        [false, true].into_iter().flat_map(move |v| [false, true].into_iter().map(move |r| (v, r, until)))
    })
}

fn expected(
    row: Option<&Row>,
    verification: bool,
    reason: bool,
    until: Option<i64>,
) -> Result<(), &'static str> {
    match row.map(|row| row.2) {
        None => Err("state"),
        Some("verification") if !verification => Err("missing_verification"),
        Some("reason") if !reason => Err("missing_reason"),
        Some("unexpired") if until == Some(NOW - 1) => Err("verification_expired"),
        Some(_) => Ok(()),
    }
}

#[test]
fn the_words_are_those_of_the_specification() {
    let names: Vec<_> = OrderStatus::ALL.iter().map(|status| status.name()).collect();
    assert_eq!(names, STATUSES);
    let whys: Vec<_> = Why::ALL.iter().map(|why| why.name()).collect();
    assert_eq!(
        whys,
        [
            "state",
            "missing_verification",
            "verification_expired",
            "missing_reason",
            "permission",
            "own_order"
        ]
    );
    assert!(OrderStatus::parse("Verified").is_err() && OrderStatus::parse("").is_err());
}

#[test]
fn every_cell_of_every_policy() {
    let mut passed = [0, 0];
    for (at, (workflow, rows)) in worlds().into_iter().enumerate() {
        for from in STATUSES {
            let listed: Vec<_> =
                STATUSES.into_iter().filter(|to| row(rows, from, to).is_some()).map(status).collect();
            assert_eq!(workflow.allowed(status(from)), listed, "{from}");
            assert_eq!(workflow.is_terminal(status(from)), TERMINAL.contains(&from), "{from}");
            for to in STATUSES {
                let row = row(rows, from, to);
                let (f, t) = (status(from), status(to));
                let exists = workflow.check_state(f, t);
                assert_eq!(exists, row.map(|_| ()).ok_or(Why::State), "{from} -> {to}");
                let unexpired = row.is_some_and(|row| row.2 == "unexpired");
                assert_eq!(workflow.needs_valid_until(f, t), unexpired, "{from} -> {to}");
                for (verification, reason_or_notes, until) in givens() {
                    let given = Given {
                        verification,
                        reason_or_notes,
                        valid_until: until.map(Timestamp::from_micros),
                        now: Timestamp::from_micros(NOW),
                    };
                    let verdict = workflow.check_needs(f, t, &given).map_err(Why::name);
                    assert_eq!(
                        verdict,
                        expected(row, verification, reason_or_notes, until),
                        "{from} -> {to} {given:?}"
                    );
                    passed[at] += usize::from(verdict.is_ok());
                }
            }
        }
    }
    // Of 16 requests a row: half where verification or a reason is needed, 12 where time is, all where nothing.
    assert_eq!(passed, [8 + 8 + 12 + 16 + 8, 8 + 8 + 8 + 12 + 8 + 16 + 8]);
}

#[test]
fn each_step_has_its_permission() {
    for (to, permission) in [
        ("pending_verification", "order.create"),
        ("verified", "order.verify"),
        ("rejected", "order.verify"),
        ("in_progress", "order.fulfil"),
        ("completed", "order.fulfil"),
        ("cancelled", "order.cancel"),
    ] {
        for (workflow, _) in worlds() {
            assert_eq!(workflow.permission(status(to)).name(), permission, "{to}");
        }
    }
    for row in STANDARD.iter().chain(WITH_EARLY_CANCEL) {
        assert_eq!(Workflow::standard().permission(status(row.1)).name(), row.3, "{row:?}");
    }
}

#[test]
fn a_refusal_tells_a_program_all_it_needs() {
    let id: OrderId = "0198f3c2-0000-7000-8000-000000000001".parse().unwrap();
    let allowed = |from: &str| -> &[&str] {
        match from {
            "pending_verification" => &["verified", "rejected"],
            "verified" => &["in_progress"],
            "in_progress" => &["completed", "cancelled"],
            _ => &[],
        }
    };
    for from in STATUSES {
        for to in STATUSES {
            for why in Why::ALL {
                let error = Workflow::standard().refusal(id, status(from), status(to), *why);
                assert_eq!(error.code(), ErrorCode::InvalidStatusTransition);
                let body = serde_json::to_value(error.details()).unwrap();
                let wanted = serde_json::json!({
                    "order_id": id.to_string(),
                    "current_status": from,
                    "requested_status": to,
                    "allowed": allowed(from),
                    "why": why.name(),
                });
                assert_eq!(body, wanted);
            }
        }
    }
}

#[test]
fn every_option_of_every_actor() {
    const CHANGES: [&str; 3] = ["order.verify", "order.fulfil", "order.cancel"];
    for (workflow, rows) in worlds() {
        for from in STATUSES {
            for held in 0..8 {
                for (own, expired) in [(false, false), (false, true), (true, false), (true, true)] {
                    let may = |p: Permission| {
                        CHANGES
                            .iter()
                            .enumerate()
                            .any(|(at, name)| p.name() == *name && held & (1 << at) != 0)
                    };
                    let options = workflow.transitions(status(from), may, own, expired);
                    let statuses: Vec<_> = options.iter().map(|option| option.status.name()).collect();
                    assert_eq!(statuses, STATUSES);
                    for option in options {
                        let row = row(rows, from, option.status.name());
                        let why = match row {
                            None => Some("state"),
                            Some(row)
                                if held & (1 << CHANGES.iter().position(|p| *p == row.3).unwrap()) == 0 =>
                            {
                                Some("permission")
                            }
                            Some((_, "verified" | "rejected", ..)) if own => Some("own_order"),
                            Some(("verified", "in_progress", ..)) if expired => Some("verification_expired"),
                            Some(_) => None,
                        };
                        assert_eq!(option.why.map(Why::name), why, "{from} {option:?}");
                        assert_eq!(option.allowed, why.is_none());
                        let needs: &[&str] = match row.map(|row| row.2) {
                            Some("verification") => &["verification_data"],
                            Some("reason") => &["reason_or_notes"],
                            _ => &[],
                        };
                        let named: Vec<_> = option.needs.iter().map(|need: &Need| need.name()).collect();
                        assert_eq!(named, needs, "{from} {option:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_option_is_written_as_specified() {
    let options = Workflow::standard().transitions(OrderStatus::PendingVerification, |_| true, false, false);
    assert_eq!(
        serde_json::to_string(&options[..2]).unwrap(),
        concat!(
            r#"[{"status":"pending_verification","allowed":false,"why":"state","needs":[]},"#,
            r#"{"status":"verified","allowed":true,"needs":["verification_data"]}]"#
        )
    );
}

proptest! {
    /// Random requests against one order: it moves along listed rows only and never leaves a terminal status;
    /// what `transitions` offers is what `check_needs` takes.
    #[test]
    fn random_walks_stay_on_the_table(
        early in any::<bool>(),
        walk in prop::collection::vec(
            (0..6_usize, any::<bool>(), any::<bool>(), prop::option::of(-2..3_i64)),
            1..60,
        ),
    ) {
        let [standard, with_early] = worlds();
        let (workflow, rows) = if early { with_early } else { standard };
        let mut at = "pending_verification";
        for (to, verification, reason_or_notes, until) in walk {
            let to = STATUSES[to];
            let given = Given {
                verification,
                reason_or_notes,
                valid_until: until.map(|offset| Timestamp::from_micros(NOW + offset)),
                now: Timestamp::from_micros(NOW),
            };
            let expired = until.is_some_and(|offset| offset < 0);
            let taken = workflow.check_needs(status(at), status(to), &given);
            let options = workflow.transitions(status(at), |_| true, false, expired);
            let option = options.iter().find(|option| option.status.name() == to).unwrap();
            let supplied = option.needs.iter().all(|need| match need {
                Need::VerificationData => verification,
                Need::ReasonOrNotes => reason_or_notes,
                _ => unreachable!("a need that nobody knows"),
            });
            prop_assert_eq!(taken.is_ok(), option.allowed && supplied);
            if taken.is_ok() {
                prop_assert!(row(rows, at, to).is_some(), "{} -> {}", at, to);
                prop_assert!(!TERMINAL.contains(&at), "{} -> {}", at, to);
                at = to;
            }
        }
    }
}
