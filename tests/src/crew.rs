//! Several processes at work on one site, heard and judged; the test may kill them meanwhile.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use medorder::Verdict;

use crate::child::Worker;
use crate::root;
use crate::site::Site;
use crate::verdict::{Figures, Testimony};

/// A process that says nothing for so long hangs.
const HANGS: Duration = Duration::from_secs(120);

/// What a crew is made of.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "suites write it down")]
pub struct Plan {
    /// Processes that work and follow feeds.
    pub processes: usize,
    /// Processes that only follow the feed, of each of the first two territories.
    pub followers: usize,
    /// How long they work.
    pub work: Duration,
    /// Where their choices start.
    pub seed: u64,
    /// Codes with which a call may say that it did nothing.
    pub allowed: &'static [&'static str],
}

/// Processes at work.
pub struct Crew<'a> {
    program: &'a str,
    site: &'a Site,
    plan: Plan,
    territories: &'a [String],
    members: Vec<Member>,
    lines: Receiver<(usize, Option<String>)>,
    sender: Sender<(usize, Option<String>)>,
    testimony: Testimony,
    /// How many were killed.
    pub kills: usize,
    /// How many readers were killed and resumed.
    pub resumed: usize,
}

struct Member {
    worker: Worker,
    name: String,
    /// The feed it follows and the last cursor it told of, if it does nothing else.
    follows: Option<(String, String)>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Working,
    Worked,
    Killed,
    Gone,
}

impl<'a> Crew<'a> {
    /// Starts `program` as often as the plan says; nobody works yet.
    #[must_use]
    pub fn start(program: &'a str, site: &'a Site, territories: &'a [String], plan: Plan) -> Self {
        let (sender, lines) = channel();
        let testimony = Testimony::default();
        let members = Vec::new();
        let mut crew = Self {
            program,
            site,
            plan,
            territories,
            members,
            lines,
            sender,
            testimony,
            kills: 0,
            resumed: 0,
        };
        for n in 0..crew.plan.processes {
            crew.add_worker(&format!("w{n}"));
        }
        for territory in crew.territories.iter().take(2) {
            for n in 0..crew.plan.followers {
                crew.add_follower(&format!("f{n}"), territory, "");
            }
        }
        crew.until("all are ready", |crew| crew.members.iter().all(|member| member.state != State::Starting));
        crew
    }

    /// Lets them work, meanwhile calling `trouble` about every 20 ms with the time that has gone by, and judges
    /// what they said.
    ///
    /// # Panics
    /// If anything does not fit.
    pub fn work(mut self, title: &str, mut trouble: impl FnMut(&mut Self, Duration)) -> Figures {
        for member in self.members.iter_mut().filter(|member| member.follows.is_none()) {
            member.worker.tell("go");
        }
        // First of all, so that it is known however this ends.
        let seed = format!("{title}: MEDORDER_SEED={}\n", self.plan.seed);
        let _ = std::io::stderr().write_all(seed.as_bytes());
        let started = Instant::now();
        let mut last = Instant::now();
        while self.members.iter().any(|member| member.follows.is_none() && member.state == State::Working) {
            self.hear(Duration::from_millis(20));
            if last.elapsed() >= Duration::from_millis(20) {
                last = Instant::now();
                if started.elapsed() < self.plan.work {
                    trouble(&mut self, started.elapsed());
                }
            }
            assert!(started.elapsed() < self.plan.work + HANGS, "{title}: {:?}", self.states());
        }
        let worked = started.elapsed();
        for member in self.members.iter_mut().filter(|member| alive(member.state)) {
            member.worker.tell("end");
        }
        self.until("all have ended", |crew| crew.members.iter().all(|member| member.state == State::Gone));
        let raw = self.site.raw();
        // A process that was killed did not read to the end, a follower was started again.
        let figures = self.testimony.judge(&raw, self.plan.allowed);
        assert!(figures.feeds > 0, "{title}: some reader read to the end");
        let service = self.site.open();
        let report = service.admin(root()).verify_audit().expect("verification runs");
        assert_eq!(report.verdict, Verdict::Intact, "{title}: {report:?}");
        service.close().expect("the service closes");
        let text = format!(
            "{title}: {:.1?} of work, {} calls, {} changes in the log, {} orders put in order, {} replays, \
             told nothing done {:?}, {} of unknown outcome ({} landed), {} feeds with {} events compared, feeds broken \
             off {:?}, {} killed, {} readers resumed\n",
            worked,
            figures.calls,
            figures.changes,
            figures.orders,
            figures.replays,
            figures.told_nothing,
            figures.unknown,
            figures.landed,
            figures.feeds,
            figures.events,
            self.testimony.breaks,
            self.kills,
            self.resumed
        );
        // Past the test harness, which shows nothing of a test that passes.
        let _ = std::io::stderr().write_all(text.as_bytes());
        figures
    }

    /// Kills the `n`th worker, if it still works, and puts another in its place.
    pub fn kill(&mut self, n: usize) {
        let workers = self.members.iter().enumerate();
        let mut workers =
            workers.filter(|(_, m)| m.follows.is_none() && m.state == State::Working).map(|(at, _)| at);
        let Some(at) = workers.nth(n) else { return };
        self.end_by_force(at);
        self.kills += 1;
        self.testimony.forget_feeds(&self.members[at].name);
        let name = format!("w{}", self.members.len());
        self.add_worker(&name);
        self.until("the new one is ready", |crew| {
            crew.members.last().is_some_and(|member| member.state != State::Starting)
        });
        self.members.last_mut().expect("the new one").worker.tell("go");
    }

    /// Kills the `n`th follower and lets another go on from the last cursor that was heard.
    pub fn kill_follower(&mut self, n: usize) {
        let followers = self.members.iter().enumerate();
        let followers: Vec<usize> =
            followers.filter(|(_, m)| m.follows.is_some() && alive(m.state)).map(|(at, _)| at).collect();
        let Some(&at) = followers.get(n % followers.len().max(1)) else { return };
        self.end_by_force(at);
        self.resumed += 1;
        let (name, (territory, cursor)) =
            (self.members[at].name.clone(), self.members[at].follows.clone().expect("a follower"));
        self.add_follower(&name, &territory, &cursor);
    }

    /// The site's database.
    #[must_use]
    pub const fn site(&self) -> &'a Site {
        self.site
    }

    fn end_by_force(&mut self, at: usize) {
        self.members[at].worker.kill();
        self.members[at].state = State::Killed;
        self.until("what it said was heard", |crew| crew.members[at].state == State::Gone);
    }

    fn add_worker(&mut self, name: &str) {
        let seed =
            (self.plan.seed ^ (self.members.len() as u64).wrapping_mul(0xa076_1d64_78bd_642f)).to_string();
        let work = self.plan.work.as_millis().to_string();
        let fixed = ["crew", &self.site.url, name, &seed, &work];
        let worker =
            Worker::start(self.program, fixed.into_iter().chain(self.territories.iter().map(String::as_str)));
        self.add(worker, name, None);
    }

    fn add_follower(&mut self, name: &str, territory: &str, cursor: &str) {
        // An empty word would be one that is hard to see.
        let since = if cursor.is_empty() { "-" } else { cursor };
        let worker = Worker::start(self.program, ["follow", &self.site.url, territory, since]);
        self.add(worker, name, Some((territory.to_owned(), cursor.to_owned())));
    }

    fn add(&mut self, mut worker: Worker, name: &str, follows: Option<(String, String)>) {
        let (at, sender) = (self.members.len(), self.sender.clone());
        worker.listen_to(move |line| drop(sender.send((at, line))));
        let state = if follows.is_some() { State::Working } else { State::Starting };
        self.members.push(Member { worker, name: name.to_owned(), follows, state });
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !done(self) {
            self.hear(Duration::from_millis(20));
            assert!(started.elapsed() < HANGS, "waited for ever until {what}: {:?}", self.states());
        }
    }

    /// Takes in what is said until there is nothing for a while.
    fn hear(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        loop {
            let (at, line) = match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(heard) => heard,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            };
            let member = &mut self.members[at];
            let Some(line) = line else {
                let ended = matches!(member.state, State::Killed) || member.worker.finish();
                assert!(ended, "{} ended badly in {:?}", member.name, member.state);
                assert!(
                    matches!(member.state, State::Killed | State::Worked) || member.follows.is_some(),
                    "{} ended in {:?}",
                    member.name,
                    member.state
                );
                member.state = State::Gone;
                continue;
            };
            match &*line {
                "ready" => member.state = State::Working,
                "worked" => member.state = State::Worked,
                "closed" => {}
                _ => {
                    if let (Some((_, cursor)), Some((_, new))) = (&mut member.follows, line.rsplit_once(' '))
                        && line.starts_with("event ")
                    {
                        new.clone_into(cursor);
                    }
                    assert!(self.testimony.take(&member.name, &line), "{} said {line:?}", member.name);
                }
            }
        }
    }

    fn states(&self) -> Vec<(&str, State)> {
        self.members.iter().map(|member| (&*member.name, member.state)).collect()
    }
}

const fn alive(state: State) -> bool {
    matches!(state, State::Starting | State::Working | State::Worked)
}
