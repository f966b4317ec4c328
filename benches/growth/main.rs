//! What an operation costs as the database grows, on either engine; and the import of large files.

#![expect(clippy::print_stdout, reason = "a program that prints tables")]

mod chart;
mod import;
mod load;
mod ops;
mod people;

use std::path::Path;
use std::time::Instant;

use medorder::storage::postgres::PostgresInit;
use medorder::{OrderService, TestKey};
use shared::server::{ROLE, Server};

use crate::chart::{Results, draw};
use crate::load::Stock;
use crate::people::Orders;

const USAGE: &str = "\
growth [--sizes N,N,N] [--postgres | --postgres-url URL] [--svg FILE]
growth --import [--sizes N,N,N] [--admin FILE]
growth --write-orders N FILE
  --sizes         10000,100000,1000000 unless told
  --postgres      on a PostgreSQL server that is started for it; with a URL, on that one, in a database
                  medorder_bench_growth that is dropped again
  --svg FILE      draw what was measured now and, of the other engine, before; the numbers are kept beside it
  --import        peak memory of medorder-admin import, at each size; on SQLite
  --write-orders  N orders made from the real ones, one JSON object a line";

const DATABASE: &str = "medorder_bench_growth";

fn main() {
    let mut sizes = vec![10_000, 100_000, 1_000_000];
    let (mut postgres, mut svg, mut import, mut admin) = (None, None, false, None);
    let orders = Orders::read();
    let mut words = std::env::args().skip(1);
    let refuse = || -> ! {
        println!("{USAGE}");
        std::process::exit(2)
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| refuse());
        match word.as_str() {
            "--sizes" => {
                sizes = value().split(',').map(|n| n.parse().unwrap_or_else(|_| refuse())).collect();
            }
            "--postgres" => postgres = Some(None),
            "--postgres-url" => postgres = Some(Some(value())),
            "--svg" => svg = Some(value()),
            "--import" => import = true,
            "--admin" => admin = Some(value()),
            "--write-orders" => {
                let count = value().parse().unwrap_or_else(|_| refuse());
                orders.write(count, Path::new(&value()));
                return;
            }
            _ => refuse(),
        }
    }
    if import {
        import::measure(&orders, &sizes, admin.as_deref());
        return;
    }
    let results = match postgres {
        Some(url) => on_postgres(url.as_deref(), &orders, sizes),
        None => on_sqlite(&orders, sizes),
    };
    println!("\n{}\n\n{}", results.engine, results.table());
    if let Some(file) = svg.as_deref().map(Path::new) {
        let folder = file.parent().expect("a folder");
        results.keep(folder);
        let all: Vec<Results> = ["SQLite", "PostgreSQL"]
            .into_iter()
            .filter_map(|engine| Results::recall(folder, engine))
            .collect();
        std::fs::write(file, draw(&all)).expect("the picture");
    }
}

fn on_sqlite(orders: &Orders, sizes: Vec<usize>) -> Results {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("growth.db");
    let size = || std::fs::metadata(&file).expect("the database").len() as f64;
    grow("SQLite", &file.display().to_string(), orders, sizes, || {}, size)
}

fn on_postgres(url: Option<&str>, orders: &Orders, sizes: Vec<usize>) -> Results {
    let server = Server::start(url);
    server.create(DATABASE, None);
    let builder = OrderService::builder(server.owner(DATABASE), TestKey::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(builder.init(&PostgresInit::new(ROLE))).expect("the schema");
    // What a server's own autovacuum does sooner or later: statistics, and no checkpoint in the first measure.
    let settle = || {
        server.run(DATABASE, "VACUUM ANALYZE");
        server.run(DATABASE, "CHECKPOINT");
    };
    let size = || server.bytes(DATABASE) as f64;
    let results = grow("PostgreSQL", &server.app(DATABASE), orders, sizes, settle, size);
    server.drop(DATABASE);
    results
}

fn grow(
    engine: &str,
    url: &str,
    orders: &Orders,
    sizes: Vec<usize>,
    settle: impl Fn(),
    bytes: impl Fn() -> f64,
) -> Results {
    let mut stock = Stock::default();
    let mut costs: Vec<Vec<ops::Cost>> = vec![Vec::new(); ops::Op::ALL.len()];
    println!("| {engine}: orders | loaded in s | bytes an order |\n|---|---|---|");
    for size in &sizes {
        let (begun, before) = (Instant::now(), stock.all.len());
        load::fill(url, orders, &mut stock, *size);
        let took = begun.elapsed().as_secs_f64();
        settle();
        let bytes = bytes() / (size + stock.extra) as f64;
        println!("| {size} | {took:.0} for {} more | {bytes:.0} |", size - before);
        for (row, (_, cost)) in costs.iter_mut().zip(ops::measure(url, orders, &mut stock)) {
            row.push(cost);
        }
    }
    Results { engine: engine.to_owned(), sizes, costs }
}
