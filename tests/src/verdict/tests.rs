//! The judge is judged: a true story is let pass, and each lie about it is found.

use medorder::OrderStatus;

use super::{Figures, Testimony};
use crate::id;
use crate::raw::{RawEntry, RawFile, RawOrder};

const ORDER: &str = "01a20ea8-2deb-79ae-9244-f60a06f15474";

/// An order that was created, verified under a key, verified again under the same key, and seen.
fn story() -> (Vec<String>, RawFile) {
    let lines = [
        "begin a 1 north - create -".to_owned(),
        format!("end a 2 {ORDER} is 1 pending_verification"),
        format!("begin b 3 north {ORDER} move verified - k"),
        format!("end b 4 {ORDER} is 2 verified"),
        format!("begin c 5 north {ORDER} move verified - k"),
        format!("end c 6 {ORDER} is 2 verified"),
        format!("begin d#0 7 north {ORDER} get"),
        format!("end d#0 8 {ORDER} is 2 verified"),
        format!("begin e 9 north {ORDER} move completed - -"),
        format!("end e 10 {ORDER} refused verified"),
        "begin f 11 north - create -".to_owned(),
        "end f 12 - nothing STORAGE_UNAVAILABLE:away".to_owned(),
        format!("event north {ORDER} 1 pending_verification 0 cursor"),
        format!("event north {ORDER} 2 verified 0 cursor"),
    ];
    let order = RawOrder {
        territory: "north".to_owned(),
        status: "verified".to_owned(),
        version: 2,
        key: Some(1),
        bare: false,
    };
    let raw = RawFile {
        orders: [(id(ORDER), order)].into(),
        entries: vec![
            entry(1, "create", "pending_verification", 1, "a"),
            entry(2, "update_status", "verified", 2, "b"),
            entry(3, "view", "", 2, "c"),
            entry(4, "view", "", 2, "d"),
        ],
        patients: [].into(),
        keys: [].into(),
        heads: [("north".to_owned(), 4)].into(),
    };
    (lines.into(), raw)
}

fn entry(seq: u64, action: &str, new_status: &str, version: u64, request: &str) -> RawEntry {
    RawEntry {
        territory: "north".to_owned(),
        seq,
        order: id(ORDER),
        action: action.to_owned(),
        outcome: "success".to_owned(),
        new_status: new_status.to_owned(),
        version,
        request: request.to_owned(),
    }
}

fn judge(lines: &[String], raw: &RawFile) -> Figures {
    let mut testimony = Testimony::default();
    for line in lines {
        assert!(testimony.take("w0", line), "{line}");
    }
    testimony.judge(raw, &["STORAGE_UNAVAILABLE"])
}

/// The story with a change in it is no longer believed, and the complaint has these words.
#[track_caller]
fn found(words: &str, change: impl FnOnce(&mut Vec<String>, &mut RawFile)) {
    let (mut lines, mut raw) = story();
    change(&mut lines, &mut raw);
    let verdict = std::panic::catch_unwind(move || judge(&lines, &raw));
    let complaint = verdict.expect_err("the lie was believed");
    let text = complaint.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains(words), "found for another reason: {text}");
}

/// The line that begins so.
fn line<'a>(lines: &'a mut [String], begin: &str) -> &'a mut String {
    lines.iter_mut().find(|line| line.starts_with(begin)).expect("a line of the story")
}

#[test]
fn a_true_story_is_believed() {
    let (lines, raw) = story();
    let figures = judge(&lines, &raw);
    assert_eq!((figures.calls, figures.changes, figures.replays, figures.orders), (6, 2, 1, 1));
    assert_eq!((figures.feeds, figures.events, figures.unknown), (1, 2, 0));
}

#[test]
fn whoever_was_killed_may_have_done_it_or_not() {
    let (mut lines, raw) = story();
    lines.retain(|line| !line.starts_with("end a") && !line.starts_with("end f"));
    let figures = judge(&lines, &raw);
    assert_eq!((figures.unknown, figures.landed), (2, 1));
}

#[test]
fn what_was_acknowledged_and_is_not_there_is_missed() {
    found("not in the log", |lines, _| *line(lines, "end b") = format!("end b 4 {ORDER} is 3 verified"));
    found("left: \"verified\"", |lines, _| *line(lines, "end b") = format!("end b 4 {ORDER} is 2 rejected"));
    found("acknowledged and lost", |lines, _| {
        lines.push(format!("begin g 20 north {ORDER} move verified - -"));
        lines.push(format!("end g 21 {ORDER} is 2 verified"));
    });
    found("no entry of this view", |_, raw| raw.entries[3].request = "x".to_owned());
    found("no entry", |_, raw| raw.entries[2].action = "checkpoint".to_owned());
}

#[test]
fn what_failed_and_is_there_is_found() {
    found("it did something", |lines, _| {
        *line(lines, "end b") = format!("end b 4 {ORDER} nothing STORAGE_UNAVAILABLE:away");
    });
    found("it did something", |lines, _| *line(lines, "end b") = format!("end b 4 {ORDER} missing"));
    found("asked 0 times", |_, raw| {
        raw.entries.push(entry(5, "update_status", "in_progress", 3, "nobody"));
        raw.heads.insert("north".to_owned(), 5);
        let order = raw.orders.get_mut(&id(ORDER)).unwrap();
        (order.version, order.status) = (3, "in_progress".to_owned());
    });
    found("Nothing", |lines, _| *line(lines, "end f") = "end f 12 - nothing INTERNAL:bug".to_owned());
}

#[test]
fn an_order_that_cannot_have_been_so_is_found() {
    // Version 1 was seen after version 2 was acknowledged.
    found("cannot have happened", |lines, _| {
        *line(lines, "end d#0") = format!("end d#0 8 {ORDER} is 1 pending_verification");
    });
    // What is stored is older than what was said, and the log as short.
    found("cannot have happened", |lines, _| {
        *line(lines, "end e") = format!("end e 10 {ORDER} refused in_progress");
    });
}

#[test]
fn a_log_or_a_row_that_is_not_whole_is_found() {
    found("after", |_, raw| raw.entries[3].seq = 5);
    found("the head of north", |_, raw| {
        raw.heads.insert("north".to_owned(), 5);
    });
    found("not 1 to that", |_, raw| raw.orders.values_mut().for_each(|order| order.version = 3));
    found("unlike its last entry", |_, raw| raw.orders.values_mut().for_each(|order| order.bare = true));
}

#[test]
fn a_feed_that_is_not_the_log_is_found() {
    let second = format!("event north {ORDER} 2 verified 0 cursor");
    found("event 1 of 2", |lines, _| lines.retain(|line| *line != second));
    found("event 2 of 2", |lines, _| lines.push(second.clone()));
    found("event 0 of 2", |lines, _| lines.swap(12, 13));
}

#[test]
fn one_key_for_two_orders_is_found() {
    let other = ORDER.replace("54", "55");
    found("made two orders", |lines, raw| {
        *line(lines, "begin a") = "begin a 1 north - create c".to_owned();
        lines.push("begin h 13 north - create c".to_owned());
        lines.push(format!("end h 14 {other} is 1 pending_verification"));
        lines.push(format!("event north {other} 1 pending_verification 0 cursor"));
        let order = RawOrder {
            territory: "north".to_owned(),
            status: OrderStatus::PendingVerification.name().to_owned(),
            version: 1,
            key: Some(1),
            bare: false,
        };
        raw.orders.insert(id(&other), order);
        let mut made = entry(5, "create", "pending_verification", 1, "h");
        made.order = id(&other);
        raw.entries.push(made);
        raw.heads.insert("north".to_owned(), 5);
    });
}
