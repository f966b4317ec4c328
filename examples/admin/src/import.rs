//! Orders from a file: ordinary creates, keyed by the source's number, so that a run after a kill goes on where
//! the first one stopped and doubles nothing.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use medorder::env::{Clock, SystemClock};
use medorder::{
    Actor, BatchItem, BatchMode, CreateOrder, Error, ErrorCode, ErrorKind, Fault, OrderService, Result, Rule,
    TerritoryId,
};

use crate::cli::Database;
use crate::connect::{requester, territories, with};
use crate::lines::{LONGEST, Lines, order};
use crate::terminal::{say, tell};

/// How much of the file is in memory: so many lines, or so many bytes.
const BATCH_LINES: usize = 500;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How the lines ended.
#[derive(Default)]
struct Summary {
    created: u64,
    replayed: u64,
    failed: u64,
    /// Lines of another territory than the one asked for.
    skipped: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { created, replayed, failed, skipped } = self;
        write!(f, "{created} created, {replayed} replayed, {failed} failed")?;
        if *skipped > 0 { write!(f, ", {skipped} of other territories") } else { Ok(()) }
    }
}

struct Import<'a> {
    service: &'a OrderService,
    actor: Actor,
    bar: ProgressBar,
    summary: Summary,
    groups: BTreeMap<TerritoryId, Vec<(u64, CreateOrder)>>,
    /// Lines that are no order, by their numbers, until they are printed.
    failures: BTreeMap<u64, String>,
    /// True if a line names what is not registered.
    unregistered: bool,
}

/// Exit code 0 if every line is an order now, else 1.
pub(crate) async fn import(database: &Database, only: Option<&str>, file: &Path) -> Result<u8> {
    let actor = requester(&database.access)?;
    let only = only.map(str::parse::<TerritoryId>).transpose()?;
    let mut lines = Lines::open(file)?;
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta} {msg}")
        .map_err(|_| Error::new(ErrorCode::Internal, "the progress bar has no form"))?;
    with(database, async |service| {
        if let Some(only) = &only
            && !territories(service, &database.access, None).await?.contains(only)
        {
            let message = format!("{only} is not registered: run register --territory {only} first");
            return Err(Error::new(ErrorCode::TerritoryNotFound, message));
        }
        let bar = ProgressBar::new(lines.length).with_style(style);
        let mut import = Import {
            service,
            actor,
            bar,
            summary: Summary::default(),
            groups: BTreeMap::new(),
            failures: BTreeMap::new(),
            unregistered: false,
        };
        let done = import.all(&mut lines, only.as_ref()).await;
        import.bar.finish_and_clear();
        // Also after a failure: what is created is created.
        say!("{}", import.summary);
        if import.unregistered {
            tell!("not everything is registered: run register --from-ndjson {} first", file.display());
        }
        done.map(|()| u8::from(import.summary.failed > 0))
    })
    .await
}

impl Import<'_> {
    async fn all(&mut self, lines: &mut Lines, only: Option<&TerritoryId>) -> Result<()> {
        let (mut held, mut bytes) = (0, 0);
        while let Some(number) = lines.advance()? {
            match order(&lines.bytes) {
                Ok((territory, _)) if only.is_some_and(|only| *only != territory) => {
                    self.summary.skipped += 1
                }
                Ok((territory, request)) => {
                    self.groups.entry(territory).or_default().push((number, request));
                    held += 1;
                    bytes += lines.bytes.len();
                }
                Err(error) => self.failed(number, &error),
            }
            if held + self.failures.len() >= BATCH_LINES || bytes >= BATCH_BYTES {
                self.batch().await?;
                (held, bytes) = (0, 0);
            }
            self.bar.set_position(lines.read);
        }
        self.batch().await
    }

    /// Ends a batch: creates what is held, then names the lines that failed, in their order.
    async fn batch(&mut self) -> Result<()> {
        let created = self.create().await;
        let failures = std::mem::take(&mut self.failures);
        self.bar.suspend(|| failures.values().for_each(|line| tell!("{line}")));
        created
    }

    /// Creates what is held, a batch a territory.
    async fn create(&mut self) -> Result<()> {
        for (territory, items) in std::mem::take(&mut self.groups) {
            let (numbers, requests): (Vec<_>, Vec<_>) = items.into_iter().unzip();
            let began = SystemClock.now_micros();
            let session = self.service.session(self.actor.clone(), territory);
            let answers = match session.create_orders(requests, BatchMode::Each).await {
                Ok(answers) => answers,
                Err(error) if is_of_the_lines(&error) => {
                    numbers.iter().for_each(|number| self.failed(*number, &error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut stop = None;
            let mut seen = HashSet::new();
            for (number, answer) in numbers.into_iter().zip(answers) {
                match answer {
                    // The answer of a replay is the order as it is, made before this batch or within it.
                    BatchItem::Done(order)
                        if order.created_at.as_micros() >= began && seen.insert(order.id) =>
                    {
                        self.summary.created += 1;
                    }
                    BatchItem::Done(_) => self.summary.replayed += 1,
                    BatchItem::Failed(error) => {
                        self.failed(number, &error);
                        if !is_of_the_lines(&error) {
                            stop = Some(error);
                        }
                    }
                    _ => return Err(Error::new(ErrorCode::Internal, "an item has no answer")),
                }
            }
            self.bar.set_message(self.summary.to_string());
            if let Some(error) = stop {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Names a line that is no order: number, code, paths and rules, never a value.
    fn failed(&mut self, number: u64, error: &Error) {
        self.summary.failed += 1;
        self.unregistered |=
            matches!(error.code(), ErrorCode::TerritoryNotFound | ErrorCode::PatientProviderMismatch);
        let faults: Vec<String> = error.faults().iter().map(said).collect();
        let what = if faults.is_empty() { error.to_string() } else { faults.join("; ") };
        self.failures.insert(number, format!("line {number}: {}: {what}", error.code().name()));
    }
}

/// A fault, with the limit where it is one of this program.
fn said(fault: &Fault) -> String {
    match fault.rule {
        Rule::TooLong if fault.path.is_empty() => format!("{fault}: a line has at most {LONGEST} bytes"),
        _ => fault.to_string(),
    }
}

/// True if other lines may do better.
fn is_of_the_lines(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::Missing | ErrorKind::Conflict)
}
