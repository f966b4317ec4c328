//! Every engine keeps every promise of the storage contract.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use medorder::storage::Storage;
use medorder::storage::contract::{cases, generation, keys};
use medorder::storage::memory::MemoryStorage;
use medorder::storage::Initial;
use medorder::storage::sqlite::{SqliteOptions, SqliteStorage};
use tempfile::TempDir;

/// What must outlive an engine.
type Home = Option<TempDir>;

/// Makes an engine that nobody has used.
type Make = fn() -> (Arc<dyn Storage>, Home);

/// The engines that are judged, each made anew for every case.
const ENGINES: &[(&str, Make)] = &[("memory", memory), ("sqlite", sqlite)];

fn memory() -> (Arc<dyn Storage>, Home) {
    (Arc::new(MemoryStorage::new(generation(), keys())), None)
}

/// On a file, with every commit waiting for the disk, as hospitals run it.
fn sqlite() -> (Arc<dyn Storage>, Home) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let initial = Initial { generation: generation(), keys: keys() };
    let path = folder.path().join("contract.db");
    let engine = SqliteStorage::open(&path, SqliteOptions::default(), Some(initial));
    let engine = engine.expect("a new file opens").expect("it is made");
    (Arc::new(engine), Some(folder))
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (name, make) in ENGINES {
        for case in cases() {
            trials.push(Trial::test(format!("{name}::{}", case.name), move || {
                let (engine, _home) = make();
                case.run(engine);
                Ok(())
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
