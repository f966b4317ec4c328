//! Writes beside other processes and says what was acknowledged, and what a subscriber saw.

use std::time::Duration;

use medorder::service::BlockingService;
use medorder::{ErrorCode, OrderStatus, TestKey};
use medorder_tests::{change, id, request, root};

use super::{code, say};

/// Makes `rounds` orders and moves each one, in every territory at once, and reads the feed meanwhile until
/// a line comes in that says how many events there are in all.
pub(crate) fn run(db: &str, name: &str, rounds: &str, territories: &[&str]) {
    let rounds: usize = rounds.parse().expect("a number");
    let service = BlockingService::open(db, TestKey::new()).expect("the service opens");
    std::thread::scope(|scope| {
        let mut feeds = Vec::new();
        for territory in territories {
            let feed = service.session(root(), id(territory)).subscribe(None, Some("")).expect("a feed");
            feeds.push((*territory, feed));
        }
        say("ready");
        let mut go = String::new();
        std::io::stdin().read_line(&mut go).expect("the word to begin");
        for n in 0..2 * territories.len() {
            let territory = territories[n % territories.len()];
            let session = service.session(root().request_id(id(name)), id(territory));
            scope.spawn(move || {
                for _ in 0..rounds {
                    let order = match session.create_order(request()) {
                        Ok(order) => order,
                        Err(error) => {
                            say(&format!("fail create {}", code(&error)));
                            continue;
                        }
                    };
                    say(&format!("ack {territory} {} 1", order.id));
                    match session.update_status(order.id, change(OrderStatus::Verified)) {
                        Ok(moved) => say(&format!("ack {territory} {} {}", order.id, moved.version)),
                        Err(error) => say(&format!("fail move {}", code(&error))),
                    }
                }
                say("done");
            });
        }
        let mut total = String::new();
        std::io::stdin().read_line(&mut total).expect("how many events there are");
        let mut left: usize = total.trim().parse().expect("a number");
        while left > 0 {
            for (territory, feed) in &mut feeds {
                while let Some(event) = feed.next_within(Duration::from_millis(5)).expect("an event or none")
                {
                    say(&format!("event {territory} {} {} {}", event.order_id, event.version, event.cursor));
                    left = left.checked_sub(1).expect("no event comes twice");
                }
            }
        }
    });
    match service.close() {
        Ok(()) => say("closed"),
        Err(error) if error.code() == ErrorCode::Closed => {}
        Err(error) => say(&format!("fail close {}", code(&error))),
    }
}
