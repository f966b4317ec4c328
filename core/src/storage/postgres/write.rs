//! The one writer of a process: groups of units, each group in one statement where it can be, in a transaction
//! under the heads' locks where it must be (STORAGE.md section 6).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::connect::Settings;
use super::group::{Group, Step};
use super::lane::{Lane, Local, STALLED};
use super::locked::{self, Known};
use super::rows::{Trouble, foreign};
use crate::audit::Head;
use crate::error::{Error, ErrorCode, Result};
use crate::model::Chain;
use crate::storage::{Linker, Outcome, Unit, Write};

/// How many commits a territory goes under its lock directly after another process wrote it too.
const CONTENDED: u32 = 16;
/// What a commit whose connection fell silent is given for a try on another one, at least.
const LOOK: Duration = Duration::from_secs(5);
/// A connection names at most this many territories, so that it need not say them anew for each group.
const SCOPE: usize = 64;

pub(super) struct Writer {
    local: Local,
    heads: Heads,
}

/// What this process knows of head rows. A statement checks them, so what is old does no harm.
#[derive(Default)]
pub(super) struct Heads {
    pub(super) known: HashMap<Chain, Known>,
    contended: HashMap<Chain, u32>,
}

/// A group that may have been committed: what it would have written last, and its outcomes.
pub(super) struct Doubt {
    pub(super) marks: Vec<(String, Head)>,
    pub(super) outcomes: Vec<Outcome>,
}

impl Doubt {
    /// `None` if the group moves no chain: then to do it again does no harm.
    pub(super) fn of(group: &Group<'_>, outcomes: &[Outcome]) -> Option<Self> {
        let marks = group.marks();
        (!marks.is_empty()).then(|| Self { marks, outcomes: outcomes.to_vec() })
    }
}

/// Why a try did not end with outcomes.
pub(super) enum Failure {
    /// Nothing was written, and another try would end the same.
    Nothing(Error),
    /// Nothing was written; another try may fit.
    Again,
    /// Nothing was written: the database refuses one of the units.
    Refused,
    /// The connection is gone. What was under way, if anything, may have been committed.
    Lost(Option<Doubt>),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Lost | Trouble::Away(_) => Self::Lost(None),
            Trouble::Foreign => Self::Refused,
            Trouble::NoFsync => Self::Nothing(Trouble::NoFsync.into()),
            Trouble::Refused(state) => match &*state {
                // Serialization, deadlock, lock not available.
                "40001" | "40P01" | "55P03" => Self::Again,
                // Our own abort, and constraints.
                "22012" => Self::Refused,
                state if state.starts_with("23") => Self::Refused,
                _ => Self::Nothing(Trouble::Refused(state).into()),
            },
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Nothing(error)
    }
}

impl Writer {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { local: Local::new()?, heads: Heads::default() })
    }

    /// Commits a group on this thread, which must not be inside a runtime.
    pub(super) fn commit(
        &mut self,
        settings: &Settings,
        patience: Duration,
        units: &[Unit],
        linker: &dyn Linker,
    ) -> Result<Vec<Outcome>> {
        let Self { local, heads } = self;
        match local.run(async |lane| until(settings, patience, lane, heads, units, linker).await)? {
            Ok(outcomes) => Ok(outcomes),
            Err(Failure::Refused) if units.len() > 1 => {
                // One unit spoils the group: each by itself, so that only that one is refused.
                let mut outcomes = Vec::with_capacity(units.len());
                for unit in units {
                    match self.commit(settings, patience, std::slice::from_ref(unit), linker) {
                        Ok(one) => outcomes.extend(one),
                        Err(error) if error.code() == ErrorCode::OutcomeUnknown => return Err(error),
                        // "Nothing was written" would be a lie about the units before, and is true of the rest:
                        // whoever waits for those tries again, and hears the error itself.
                        Err(_) if outcomes.iter().any(|one| matches!(one, Outcome::Done { .. })) => {
                            outcomes.resize(units.len(), Outcome::StaleEpoch);
                            break;
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(outcomes)
            }
            Err(Failure::Refused) => Ok(vec![Outcome::Refused]),
            Err(Failure::Nothing(error)) => Err(error),
            Err(Failure::Again) => {
                Err(unavailable("the territory is written by too many at once; try again"))
            }
            Err(Failure::Lost(None)) => Err(unavailable("the database server cannot be reached")),
            Err(Failure::Lost(Some(_))) => {
                Err(unknown("the connection was lost during the commit and the database stays away"))
            }
        }
    }

    pub(super) fn forget(self) {
        self.local.forget();
    }
}

/// Tries until there is an outcome or `patience` is over.
async fn until(
    settings: &Settings,
    patience: Duration,
    lane: &mut Option<Lane>,
    heads: &mut Heads,
    units: &[Unit],
    linker: &dyn Linker,
) -> Result<Vec<Outcome>, Failure> {
    let mut deadline = Instant::now() + patience;
    let mut doubts = Vec::new();
    let mut looked = false;
    let mut pause = Duration::ZERO;
    loop {
        let begun = Instant::now();
        let failure = match open(settings, lane).await {
            Ok(lane) => match once(lane, heads, units, linker, &doubts).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(failure) => failure,
            },
            // Nobody was reached, so nothing more is in doubt than before.
            Err(_) if doubts.is_empty() && !pause.is_zero() => return Err(Failure::Lost(None)),
            Err(failure) => failure,
        };
        heads.known.clear();
        let over = Instant::now() >= deadline;
        match failure {
            Failure::Again if !over => {}
            Failure::Lost(doubt) => {
                *lane = None;
                doubts.extend(doubt);
                if over && !looked && begun.elapsed() >= STALLED {
                    // The silence of one connection has used the time up; another one may tell at once.
                    looked = true;
                    deadline = Instant::now() + LOOK;
                    continue;
                }
                if over {
                    return Err(Failure::Lost(doubts.pop()));
                }
            }
            // An earlier try may have been committed: only a look under the lock can tell.
            Failure::Nothing(_) if !doubts.is_empty() && !over => *lane = None,
            _ if !doubts.is_empty() && over => return Err(Failure::Lost(doubts.pop())),
            failure => {
                // Whatever state the connection is in, nobody shall inherit it.
                *lane = None;
                return Err(failure);
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).clamp(Duration::from_millis(5), Duration::from_millis(500));
    }
}

async fn open<'l>(settings: &Settings, lane: &'l mut Option<Lane>) -> Result<&'l mut Lane, Failure> {
    if lane.is_none() {
        *lane = Some(Lane::open(settings).await?);
    }
    lane.as_mut().ok_or(Failure::Lost(None))
}

/// One try: one statement if everything is known and nothing in doubt, else under the locks.
async fn once(
    lane: &mut Lane,
    heads: &mut Heads,
    units: &[Unit],
    linker: &dyn Linker,
    doubts: &[Doubt],
) -> Result<Vec<Outcome>, Failure> {
    let scope = scope(lane, units);
    if doubts.is_empty() && heads.may_hope(units) {
        let hope = Hope::new(heads, units, linker)?;
        match hope.commit(lane, &scope).await {
            Ok(()) => {
                let Hope { steps, outcomes, .. } = hope;
                heads.known.extend(steps);
                return Ok(outcomes);
            }
            Err(Failure::Lost(doubt)) => return Err(Failure::Lost(doubt)),
            Err(Failure::Nothing(error)) => return Err(Failure::Nothing(error)),
            // Somebody else was first, or a unit does not fit: under the locks it shows which.
            Err(Failure::Again | Failure::Refused) => {}
        }
    }
    locked::commit(lane, heads, &scope, units, linker, doubts).await
}

/// The territories of the group, with those the connection names already while they are few.
fn scope(lane: &Lane, units: &[Unit]) -> String {
    let own = |unit: &'_ Unit| match &unit.chain {
        Chain::System => None,
        chain => Some(chain.as_str().to_owned()),
    };
    let mut names: Vec<String> = units.iter().filter_map(own).collect();
    names.sort_unstable();
    names.dedup();
    let before: Vec<&str> = lane.scope().split(',').filter(|name| !name.is_empty()).collect();
    if names.iter().all(|name| before.contains(&name.as_str())) {
        return lane.scope().to_owned();
    }
    if before.len() + names.len() <= SCOPE {
        let others = before.into_iter().filter(|name| !names.iter().any(|own| own == name));
        names.extend(others.map(str::to_owned).collect::<Vec<_>>());
    }
    names.sort_unstable();
    names.join(",")
}

impl Heads {
    /// True if the group can be one statement: plain writes, under heads that are known and rarely moved by others.
    fn may_hope(&self, units: &[Unit]) -> bool {
        let plain = |write: &Write| matches!(write, Write::Insert(_) | Write::Update(_) | Write::Present(_));
        units.iter().all(|unit| {
            self.known.get(&unit.chain).is_some_and(|known| known.epoch == unit.epoch)
                && !self.contended.contains_key(&unit.chain)
                && unit.writes.iter().all(plain)
        })
    }

    /// What a head row holds under its lock, beside what was known of it: another process writes it too, or not.
    pub(super) fn seen(&mut self, chain: &Chain, seq: u64) {
        if self.known.get(chain).is_some_and(|known| known.head.seq != seq) {
            self.contended.insert(chain.clone(), CONTENDED);
        } else if let Some(left) = self.contended.get_mut(chain) {
            *left -= 1;
            if *left == 0 {
                self.contended.remove(chain);
            }
        }
    }
}

/// A group that is linked in the hope that every head is as known and every unit fits.
struct Hope<'u> {
    group: Group<'u>,
    steps: HashMap<Chain, Known>,
    outcomes: Vec<Outcome>,
}

impl<'u> Hope<'u> {
    fn new(heads: &Heads, units: &'u [Unit], linker: &dyn Linker) -> Result<Self> {
        let mut group = Group::default();
        let mut steps: HashMap<Chain, Known> = HashMap::new();
        let mut outcomes = Vec::with_capacity(units.len());
        for unit in units {
            let known = steps.get(&unit.chain).or_else(|| heads.known.get(&unit.chain));
            let mut known = known.cloned().ok_or_else(foreign)?;
            outcomes.push(Outcome::Done { first_seq: known.head.seq + 1 });
            known.head = group.take(unit, &known.head, linker)?;
            steps.insert(unit.chain.clone(), known);
        }
        for (chain, known) in &steps {
            let from = heads.known.get(chain).ok_or_else(foreign)?.head;
            let territory = chain.as_str().to_owned();
            group.heads.push(Step { territory, epoch: known.epoch, from, to: known.head });
        }
        group.heads.sort_unstable_by(|a, b| a.territory.cmp(&b.territory));
        Ok(Self { group, steps, outcomes })
    }

    async fn commit(&self, lane: &mut Lane, scope: &str) -> Result<(), Failure> {
        if lane.autocommits() {
            lane.see(scope).await?;
            return self.told(self.group.write(lane).await?);
        }
        lane.begin(scope).await?;
        if let Err(trouble) = self.group.write(lane).await? {
            lane.end("ROLLBACK").await?;
            return Err(trouble.into());
        }
        self.told(lane.end("COMMIT").await)
    }

    /// A connection lost from here on leaves the group in doubt.
    fn told(&self, done: Result<(), Trouble>) -> Result<(), Failure> {
        done.map_err(|trouble| match trouble {
            Trouble::Lost => Failure::Lost(Doubt::of(&self.group, &self.outcomes)),
            trouble => trouble.into(),
        })
    }
}

pub(super) fn unavailable(what: &'static str) -> Error {
    Error::new(ErrorCode::StorageUnavailable, what)
}

fn unknown(what: &'static str) -> Error {
    Error::new(ErrorCode::OutcomeUnknown, what)
}
