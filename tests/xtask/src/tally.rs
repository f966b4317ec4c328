//! Counts tests from what the test programs print.

use std::fmt;

/// Tests by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// Adds what a line says if it is the result line of a test program:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`, or the last
    /// one of Maven: `[INFO] Tests run: 4, Failures: 0, Errors: 0, Skipped: 1`.
    pub(crate) fn read(&mut self, line: &str) {
        let line = without_colour(line);
        if let Some([run, failures, errors, skipped]) = of_maven(line.trim()) {
            self.failed += failures + errors;
            self.skipped += skipped;
            self.passed += run.saturating_sub(failures + errors + skipped);
            return;
        }
        let Some((_, counts)) =
            line.trim().strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

/// The numbers of Maven's last line; those of a single class go on with the time that it took.
fn of_maven(line: &str) -> Option<[u64; 4]> {
    let (_, counts) = line.split_once("] Tests run: ")?;
    let mut numbers = [0; 4];
    let mut parts = counts.split(", ");
    for (number, name) in numbers.iter_mut().zip(["", "Failures: ", "Errors: ", "Skipped: "]) {
        *number = parts.next()?.strip_prefix(name)?.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// The line without terminal colours, `ESC [ .. m`.
fn without_colour(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_added_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test tests::ok ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
            "test result: \u{1b}[31mFAILED\u{1b}[m. 4 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1s",
            "note: test result: ok. 7 passed; 0 failed",
            "[INFO] Tests run: 9, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.5 s -- in medorder.LifeTest",
            "[ERROR] Tests run: 20, Failures: 1, Errors: 2, Skipped: 3\n",
        ] {
            tally.read(line);
        }
        assert_eq!(tally, Tally { passed: 21, failed: 5, skipped: 4 });
    }

    #[test]
    fn the_summary_is_plain() {
        assert_eq!(Tally { passed: 12, failed: 0, skipped: 0 }.to_string(), "12 passed, 0 failed");
        assert_eq!(Tally { passed: 1, failed: 2, skipped: 3 }.to_string(), "1 passed, 2 failed, 3 skipped");
    }
}
