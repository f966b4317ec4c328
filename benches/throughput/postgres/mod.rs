//! The same table on PostgreSQL: both sides on copies of one seeded database, in the runtime role.

mod chain;
mod floor;
mod statements;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use medorder::storage::postgres::PostgresInit;
use medorder::{OrderService, TestKey};
use shared::server::{ROLE, Server};

use self::floor::Floor;
use crate::library::{self, Library};
use crate::orders::Shape;
use crate::table::{Clock, Line, Op, render};
use crate::{Options, sizes};

const SEED: &str = "medorder_bench_seed";
const FLOOR: &str = "medorder_bench_floor";
const LIBRARY: &str = "medorder_bench_library";

/// Prints the table.
pub(crate) fn measure(options: &Options, url: Option<&str>, shapes: &Arc<Vec<Shape>>) {
    let server = Server::start(url);
    init(&server, options.row_security);
    let ids = Arc::new(library::seed(Path::new(&server.app(SEED)), shapes, options.seeded()));
    server.run(SEED, "VACUUM ANALYZE");
    let wanted = Op::ALL.into_iter().filter(|op| options.wants(op));
    let mut lines: Vec<Line> = wanted.map(|op| Line { op, rounds: Vec::new() }).collect();
    for round in 0..options.rounds {
        server.create(FLOOR, Some(SEED));
        server.create(LIBRARY, Some(SEED));
        let mut floor = Floor::open(&server.app(FLOOR), Arc::clone(shapes), Arc::clone(&ids));
        let library =
            Library::open(Path::new(&server.app(LIBRARY)), true, Arc::clone(shapes), Arc::clone(&ids));
        for line in &mut lines {
            let (op, clock) = (line.op, options.clock());
            line.rounds.push(options.pair(round, || floor.run(op, clock), || library.run(op, clock)));
        }
        library.close();
        drop(floor);
        if options.check {
            library::judge(Path::new(&server.app(FLOOR)));
        }
    }
    let policies = if options.row_security { "on" } else { "off" };
    println!("\nPostgreSQL {}, row security {policies}\n\n{}", server.version(), render(&lines));
    println!("fsync of 4 KiB, p50: {:.0} us", sizes::fsync_p50(&std::env::temp_dir()));
    if options.filter.is_empty() {
        println!("bytes per order: {:.0}", bytes(&server, shapes, options.row_security));
    }
    for database in [FLOOR, LIBRARY, SEED] {
        server.drop(database);
    }
}

/// An empty database with the schema.
fn init(server: &Server, row_security: bool) {
    server.create(SEED, None);
    let builder = OrderService::builder(server.owner(SEED), TestKey::new());
    let settings = PostgresInit::new(ROLE).row_security(row_security);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(builder.init(&settings)).expect("the schema");
}

/// What 10,000 orders take that came in as one batch.
fn bytes(server: &Server, shapes: &Arc<Vec<Shape>>, row_security: bool) -> f64 {
    init(server, row_security);
    let url = server.app(SEED);
    library::seed(Path::new(&url), shapes, 0);
    let library = Library::open(Path::new(&url), true, Arc::clone(shapes), Arc::default());
    library.run(Op::Batch(10_000), Clock { at_most: Duration::from_nanos(1) });
    library.close();
    server.bytes_per_order(SEED)
}
