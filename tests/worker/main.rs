//! The other process of the suites: `ask` answers commands, `load` works until it is killed, `hammer` writes
//! for a while beside others, `crew` does a bit of everything beside others, `follow` reads a feed.

mod ask;
mod chance;
#[cfg(unix)]
mod crew;
mod hammer;
mod load;

use std::io::{self, Write};

use medorder::{Error, TestKey};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ask"] => ask::run(),
        ["load", db, anchor, call, favourite] => load::run(db, anchor, call, favourite),
        ["hammer", db, name, rounds, territories @ ..] => hammer::run(db, name, rounds, territories),
        #[cfg(unix)]
        ["crew", db, name, seed, millis, territories @ ..] => crew::run(db, name, seed, millis, territories),
        #[cfg(unix)]
        ["follow", db, territory, since] => crew::follow(db, territory, since),
        other => panic!("no such role: {other:?}"),
    }
}

/// Says one line, whole and at once: whoever reads it knows that the call before it was answered.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    // The reader may be gone; then there is nobody to tell.
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}

/// A root key that a letter names.
fn root_key(name: &str) -> TestKey {
    TestKey::with_root([name.bytes().next().unwrap_or(0x42); 32])
}

fn code(error: &Error) -> &'static str {
    error.code().name()
}
