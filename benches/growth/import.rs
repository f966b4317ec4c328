//! The admin program's import of ever larger files: how fast, and how much memory at most.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::people::Orders;

/// Prints a row a size.
pub(crate) fn measure(orders: &Orders, sizes: &[usize], admin: Option<&str>) {
    let program = admin.map_or_else(beside, PathBuf::from);
    assert!(program.exists(), "no {}: cargo build --release -p medorder-admin first", program.display());
    println!(
        "| orders | file, MB | register, s | import, s | orders/s | peak RSS of register, MB | of import, MB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for size in sizes {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (file, key, db) = (path("orders.ndjson"), path("key"), path("import.db"));
        orders.write(*size, Path::new(&file));
        let bytes = std::fs::metadata(&file).expect("the file").len() as f64 / 1e6;
        let access = ["--key-file", &key, "--db", &db];
        run(&program, &["keygen", "--key-file", &key]);
        run(&program, &[&["init"], &access[..]].concat());
        let (registered, small) =
            run(&program, &[&["register"], &access[..], &["--from-ndjson", &file]].concat());
        let (took, peak) = run(&program, &[&["import"], &access[..], &[file.as_str()]].concat());
        println!(
            "| {size} | {bytes:.0} | {registered:.1} | {took:.1} | {:.0} | {small:.1} | **{peak:.1}** |",
            *size as f64 / took
        );
    }
}

/// The admin program where cargo puts it: next to this one.
fn beside() -> PathBuf {
    std::env::current_exe().expect("this program").with_file_name("medorder-admin")
}

/// Runs a command to its end; seconds and the most memory it had, in MB.
fn run(program: &Path, words: &[&str]) -> (f64, f64) {
    let begun = Instant::now();
    let mut child = Command::new(program).args(words).stdout(Stdio::null()).spawn().expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak: f64 = 0.0;
    loop {
        // The kernel's own high-water mark: looked at often, because it goes when the process does.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        peak = peak.max(kb.unwrap_or(0.0) / 1024.0);
        if let Some(end) = child.try_wait().expect("a child") {
            assert!(end.success(), "{words:?}: {end}");
            return (begun.elapsed().as_secs_f64(), peak);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
