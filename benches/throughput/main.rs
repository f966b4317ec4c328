//! How fast the library is beside the floor, in one process: floor, library, floor, library, and so on, each
//! on a copy of one seeded database. Ratios of medians are what counts; absolute numbers drift.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

mod faces;
mod floor;
mod gateway;
mod library;
mod orders;
mod postgres;
mod rows;
mod seal;
mod sizes;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::floor::Floor;
use crate::library::Library;
use crate::orders::Shape;
use crate::table::{Clock, Line, Op, Sample, render};

const USAGE: &str = "\
throughput [--rounds N] [--seconds S] [--filter TEXT] [--full | --normal] [--quick] [--real]
           [--page-size N] [--prices] [--check]
           [--postgres | --postgres-url URL] [--no-row-security]
  --filter TEXT   only the rows whose name holds TEXT (several: separate by |)
  --quick         one round of 0.2 s
  --real          the example orders instead of the synthetic ones
  --page-size N   on a database rewritten with pages of N bytes
  --prices        what each index costs in bytes an order, and nothing else
  --check         verifies what the floor wrote with the library, at the end; no rotation
  --only SIDE     floor or library alone, for a profiler
  --postgres      on a PostgreSQL server that is started for it; with a URL, on that one: its user makes a role and
                  databases whose names begin with medorder_bench, and drops the databases again
  --no-row-security   without the policies: what they cost
  --faces [N]     create and get through each language beside Rust, N calls a row (default 4,000)
  --gateway [N]   create, status change and get over HTTP beside the library, N calls a row (default 8,000)";

struct Options {
    rounds: usize,
    seconds: f64,
    filter: String,
    modes: Vec<bool>,
    real: bool,
    page_size: Option<u32>,
    prices: bool,
    check: bool,
    only: Option<String>,
    memory: bool,
    /// On PostgreSQL, at this URL if there is one.
    postgres: Option<Option<String>>,
    row_security: bool,
    /// Calls a row of the faces, if they are what is measured.
    faces: Option<usize>,
    /// Requests a row of the gateway, if it is what is measured.
    gateway: Option<usize>,
}

impl Options {
    fn wants(&self, op: &Op) -> bool {
        // The floor's rotation leaves a key that nobody else has, so a database that is checked skips it.
        !(self.check && *op == Op::Rotate)
            && (self.filter.is_empty() || self.filter.split('|').any(|part| op.to_string().contains(part)))
    }

    fn clock(&self) -> Clock {
        Clock { at_most: Duration::from_secs_f64(self.seconds) }
    }

    /// Orders that a seeded database holds: as many as a round of updates can use up.
    const fn seeded(&self) -> usize {
        if self.seconds > 0.3 { 20_000 } else { 5_000 }
    }

    /// A sample of each side, or of the one that was asked for alone.
    fn pair(
        &self,
        round: usize,
        floor: impl FnOnce() -> Sample,
        library: impl FnOnce() -> Sample,
    ) -> (Sample, Sample) {
        match self.only.as_deref() {
            Some("floor") => {
                let sample = Sample::taken(floor);
                (sample, sample)
            }
            Some(_) => {
                let sample = Sample::taken(library);
                (sample, sample)
            }
            // Who goes first changes from round to round: the second may find the disk still busy.
            None if round.is_multiple_of(2) => {
                let floor = Sample::taken(floor);
                (floor, Sample::taken(library))
            }
            None => {
                let library = Sample::taken(library);
                (Sample::taken(floor), library)
            }
        }
    }
}

fn options() -> Options {
    let mut options = Options {
        rounds: 3,
        seconds: 0.5,
        filter: String::new(),
        modes: vec![true, false],
        real: false,
        page_size: None,
        prices: false,
        check: false,
        only: None,
        memory: false,
        postgres: None,
        row_security: true,
        faces: None,
        gateway: None,
    };
    let mut words = std::env::args().skip(1).peekable();
    let refuse = || -> ! {
        println!("{USAGE}");
        std::process::exit(2)
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| refuse());
        match word.as_str() {
            "--rounds" => options.rounds = value().parse().unwrap_or_else(|_| refuse()),
            "--seconds" => options.seconds = value().parse().unwrap_or_else(|_| refuse()),
            "--filter" => options.filter = value(),
            "--page-size" => options.page_size = Some(value().parse().unwrap_or_else(|_| refuse())),
            "--only" => options.only = Some(value()),
            "--full" => options.modes = vec![true],
            "--normal" => options.modes = vec![false],
            "--quick" => (options.rounds, options.seconds) = (1, 0.2),
            "--real" => options.real = true,
            "--prices" => options.prices = true,
            "--check" => options.check = true,
            "--memory" => options.memory = true,
            "--postgres" => options.postgres = Some(None),
            "--postgres-url" => options.postgres = Some(Some(value())),
            "--faces" => {
                let count = words.next_if(|word| !word.starts_with('-')).unwrap_or_else(|| "4000".to_owned());
                options.faces = Some(count.parse().unwrap_or_else(|_| refuse()));
            }
            "--gateway" => {
                let count = words.next_if(|word| !word.starts_with('-')).unwrap_or_else(|| "8000".to_owned());
                options.gateway = Some(count.parse().unwrap_or_else(|_| refuse()));
            }
            "--face-alone" => {
                faces::alone(value().parse().unwrap_or_else(|_| refuse()));
                std::process::exit(0);
            }
            "--no-row-security" => options.row_security = false,
            _ => refuse(),
        }
    }
    options
}

fn main() {
    let options = options();
    if let Some(count) = options.faces {
        faces::measure(options.rounds, count);
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shapes = Arc::new(shapes(options.real));
    if let Some(count) = options.gateway {
        gateway::measure(options.rounds, count, &shapes);
        return;
    }
    if options.memory {
        memory(folder.path(), &shapes);
        return;
    }
    if let Some(url) = &options.postgres {
        postgres::measure(&options, url.as_deref(), &shapes);
        return;
    }
    let seed = folder.path().join("seed.db");
    let ids = Arc::new(library::seed(&seed, &shapes, options.seeded()));
    if options.prices {
        prices(folder.path(), &shapes);
        return;
    }
    if let Some(size) = options.page_size {
        sizes::repage(&seed, size);
    }
    println!("fsync of 4 KiB, p50: {:.0} us", sizes::fsync_p50(folder.path()));
    for full in options.modes.iter().copied() {
        let lines = measure(&options, full, folder.path(), &seed, &shapes, &ids);
        println!("\nSQLite, synchronous={}\n\n{}", if full { "FULL" } else { "NORMAL" }, render(&lines));
    }
    println!("peak RSS of this process: {:.1} MB", sizes::peak_rss());
    if options.filter.is_empty() {
        println!("{}", sizes::child(&["--memory"]));
    }
}

fn shapes(real: bool) -> Vec<Shape> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/orders.ndjson");
    let real = if real { orders::real(&file, 256) } else { None };
    real.unwrap_or_else(orders::synthetic)
}

fn measure(
    options: &Options,
    full: bool,
    folder: &Path,
    seed: &Path,
    shapes: &Arc<Vec<Shape>>,
    ids: &Arc<Vec<[u8; 16]>>,
) -> Vec<Line> {
    let wanted = Op::ALL.into_iter().filter(|op| options.wants(op));
    let mut lines: Vec<Line> = wanted.map(|op| Line { op, rounds: Vec::new() }).collect();
    let clock = options.clock();
    for round in 0..options.rounds {
        let copy = |name: &str| -> PathBuf {
            let path = folder.join(format!("{name}-{full}-{round}.db"));
            std::fs::copy(seed, &path).expect("a copy");
            path
        };
        let (floor_path, library_path) = (copy("floor"), copy("library"));
        let mut floor = Floor::open(&floor_path, full, Arc::clone(shapes), Arc::clone(ids));
        let library = Library::open(&library_path, full, Arc::clone(shapes), Arc::clone(ids));
        for line in &mut lines {
            let op = line.op;
            line.rounds.push(options.pair(round, || floor.run(op, clock), || library.run(op, clock)));
        }
        library.close();
        drop(floor);
        if options.check {
            library::judge(&floor_path);
        }
        for path in [floor_path, library_path] {
            for end in ["", "-wal", "-shm"] {
                // What is missing needs no removal.
                let _ = std::fs::remove_file(format!("{}{end}", path.display()));
            }
        }
    }
    lines
}

/// In a process of its own: the most memory while it opens a database and creates 10,000 orders at once.
fn memory(folder: &Path, shapes: &Arc<Vec<Shape>>) {
    let path = folder.join("memory.db");
    library::seed(&path, shapes, 0);
    let before = sizes::peak_rss();
    let library = Library::open(&path, true, Arc::clone(shapes), Arc::default());
    library.run(Op::Batch(10_000), Clock { at_most: Duration::from_nanos(1) });
    println!("peak RSS with a batch of 10,000: {:.1} MB (before it {before:.1} MB)", sizes::peak_rss());
    for _ in 1..5 {
        library.run(Op::Batch(10_000), Clock { at_most: Duration::from_nanos(1) });
    }
    library.close();
    println!("bytes per order, of 50,000: {:.0}", sizes::bytes_per_order(&path));
}

fn prices(folder: &Path, shapes: &Arc<Vec<Shape>>) {
    let path = folder.join("prices.db");
    library::seed(&path, shapes, 0);
    let library = Library::open(&path, false, Arc::clone(shapes), Arc::default());
    for _ in 0..5 {
        library.run(Op::Batch(10_000), Clock { at_most: Duration::from_nanos(1) });
    }
    library.close();
    println!("bytes per order: {:.0}\n\n{}", sizes::bytes_per_order(&path), sizes::index_prices(&path));
    let path = folder.join("paged.db");
    library::seed(&path, shapes, 10_000);
    for size in [4096, 8192] {
        sizes::repage(&path, size);
        println!(
            "verified orders (2 entries each), pages of {size}, packed: {:.0}",
            sizes::bytes_per_order(&path)
        );
    }
}
