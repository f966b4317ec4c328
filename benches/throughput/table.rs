//! What is measured, how a sample is taken, and the table.

use std::fmt;
use std::time::{Duration, Instant};

/// How many call at once in the rows that say so.
pub(crate) const CALLERS: usize = 64;

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Create,
    Create64,
    Batch(usize),
    Get,
    Get64,
    Update,
    Update64,
    List,
    Verify,
    Rotate,
}

impl Op {
    /// In the order they run: the rotation is last, since the floor does not store its new key.
    pub(crate) const ALL: [Self; 11] = [
        Self::Create,
        Self::Create64,
        Self::Batch(1_000),
        Self::Batch(10_000),
        Self::Get,
        Self::Get64,
        Self::Update,
        Self::Update64,
        Self::List,
        Self::Verify,
        Self::Rotate,
    ];

    /// The row of one caller that a row of 64 is compared with.
    pub(crate) fn single(self) -> Option<Self> {
        match self {
            Self::Create64 => Some(Self::Create),
            Self::Get64 => Some(Self::Get),
            Self::Update64 => Some(Self::Update),
            _ => None,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("create, 1 caller"),
            Self::Create64 => f.write_str("create, 64 callers"),
            Self::Batch(count) => write!(f, "batch of {count} (each), orders/s"),
            Self::Get => f.write_str("get, decrypt, view entry, 1 caller"),
            Self::Get64 => f.write_str("get, 64 callers"),
            Self::Update => f.write_str("update_status, 1 caller"),
            Self::Update64 => f.write_str("update_status, 64 callers"),
            Self::List => f.write_str("list, page of 50, 50 view entries"),
            Self::Verify => f.write_str("verify the audit, entries/s"),
            Self::Rotate => f.write_str("rotate keys, orders/s"),
        }
    }
}

/// How long a sample takes.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) at_most: Duration,
}

/// Processor time this process has used, user and system, in seconds; in steps of 10 ms. What other programs do
/// at the same time moves it far less than the wall clock.
pub(crate) fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in brackets, may hold blanks.
    let numbers = stat.rsplit_once(')').map_or("", |(_, numbers)| numbers);
    let ticks = |n: usize| numbers.split_whitespace().nth(n).and_then(|text| text.parse::<f64>().ok());
    (ticks(11).unwrap_or(f64::NAN) + ticks(12).unwrap_or(f64::NAN)) / 100.0
}

/// Takes the time of calls, one after another.
pub(crate) struct Timer {
    begun: Instant,
    last: Instant,
    done: usize,
    laps: Vec<Duration>,
}

impl Timer {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { begun: now, last: now, done: 0, laps: Vec::with_capacity(1 << 16) }
    }

    pub(crate) fn goes_on(&self, clock: Clock) -> bool {
        self.last - self.begun < clock.at_most
    }

    pub(crate) fn lap(&mut self, count: usize) {
        let now = Instant::now();
        self.laps.push(now - self.last);
        self.last = now;
        self.done += count;
    }

    pub(crate) fn finish(self) -> Sample {
        Sample::of(self.done, self.last - self.begun, self.laps)
    }
}

/// One side's measure of one row in one round.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    rate: f64,
    p50: f64,
    p99: f64,
    count: usize,
    /// Processor microseconds an operation, of every thread.
    cpu: f64,
}

impl Sample {
    pub(crate) fn of(count: usize, wall: Duration, mut laps: Vec<Duration>) -> Self {
        laps.sort_unstable();
        let at =
            |part: usize| laps.get(laps.len() * part / 100).map_or(f64::NAN, |lap| lap.as_secs_f64() * 1e6);
        let rate = count as f64 / wall.as_secs_f64().max(1e-9);
        Self { rate, p50: at(50), p99: at(99), count, cpu: f64::NAN }
    }

    /// The same with the processor time that `work` took.
    pub(crate) fn taken(work: impl FnOnce() -> Self) -> Self {
        let before = cpu();
        let sample = work();
        Self { cpu: (cpu() - before) * 1e6 / sample.count as f64, ..sample }
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Every sample of one row: (floor, library) a round.
pub(crate) struct Line {
    pub(crate) op: Op,
    pub(crate) rounds: Vec<(Sample, Sample)>,
}

impl Line {
    fn floor(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.rounds.iter().map(|(floor, _)| of(floor)))
    }

    fn library(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.rounds.iter().map(|(_, library)| of(library)))
    }
}

/// The table as Markdown.
pub(crate) fn render(lines: &[Line]) -> String {
    let mut text = String::from(
        "| operation | floor/s | p50 us | p99 us | library/s | p50 us | p99 us | ratio | cpu us floor | library | ratio | x one caller (floor) |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for line in lines {
        let (floor, library) = (line.floor(|s| s.rate), line.library(|s| s.rate));
        let single = line.op.single().and_then(|op| lines.iter().find(|other| other.op == op));
        let times = single.map_or_else(String::new, |single| {
            format!("{:.1} ({:.1})", library / single.library(|s| s.rate), floor / single.floor(|s| s.rate))
        });
        text.push_str(&format!(
            "| {} | {floor:.0} | {:.0} | {:.0} | {library:.0} | {:.0} | {:.0} | **{:.2}** | {:.1} | {:.1} | {:.2} | {times} |\n",
            line.op,
            line.floor(|s| s.p50),
            line.floor(|s| s.p99),
            line.library(|s| s.p50),
            line.library(|s| s.p99),
            library / floor,
            line.floor(|s| s.cpu),
            line.library(|s| s.cpu),
            line.floor(|s| s.cpu) / line.library(|s| s.cpu),
        ));
    }
    text
}
