//! The fuzz of the API: schemathesis against the demo, through the gateway's own OpenAPI document.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::program;
use crate::project::{Project, run, shown};
use crate::tally::Tally;
use crate::venv;

/// Configuration, requirements and hooks, below the root.
const SUITE: &str = "examples/gateway/tests/api";
/// The document as it is committed.
const DOCUMENT: &str = "examples/gateway/openapi.json";
/// A caller who may do everything, and one who may do little.
const EVERYBODY: &str = "requester,verifier,fulfiller,auditor,administrator";
const VERIFIER: &str = "verifier";
/// What a verifier may not do: every request of theirs is denied.
const DENIED: &[&str] = &[
    "POST /api/v1/orders",
    "POST /api/v1/orders/batch",
    "DELETE /api/v1/orders/{order_id}",
    "GET /api/v1/audit",
    "GET /api/v1/audit/export",
    "POST /api/v1/audit/verify",
    "GET /api/v1/disclosures",
    "POST /api/v1/checkpoints",
    "GET /api/v1/relationships",
];

/// Fuzzes the gateway that cargo has built. A call of the document counts as a test.
pub(crate) fn test(project: &Project, tally: &mut Tally) -> Result<(), String> {
    let document = committed(project)?;
    // Links name operations too, further in.
    let calls = document.matches("\n        \"operationId\":").count();
    let requirements = project.root.join(SUITE).join("requirements.txt");
    let python = venv::ready(project, &requirements, &project.target().join("gateway-api"))?;
    let mut demo = Demo::start(project)?;

    println!("fuzzing {calls} calls as a caller who may do everything");
    let (fuzzed, counts) = fuzz(project, &demo, &python, EVERYBODY, "*", &[])?;
    let faults: Vec<_> = counts.iter().filter_map(|count| count.fault_of_everybody()).collect();
    report(&counts, &faults, tally);
    if counts.len() != calls {
        return Err(format!("{} of {calls} calls of the document were made", counts.len()));
    }
    failed(&faults, fuzzed)?;

    println!("fuzzing them as a verifier of one territory");
    let few = ["--phases", "examples,fuzzing", "--mode", "positive", "--max-examples", "3"];
    let (fuzzed, counts) = fuzz(project, &demo, &python, VERIFIER, "emporia", &few)?;
    let counts: Vec<_> = counts.into_iter().filter(|count| DENIED.contains(&count.call.as_str())).collect();
    let faults: Vec<_> = counts.iter().filter_map(|count| count.fault_of_verifier()).collect();
    report(&counts, &faults, tally);
    if counts.len() != DENIED.len() {
        return Err(format!("{} of {} calls that are denied were made", counts.len(), DENIED.len()));
    }
    failed(&faults, fuzzed)?;
    demo.stop()
}

/// The committed document, which is the one that the gateway makes.
fn committed(project: &Project) -> Result<String, String> {
    let mut command = Command::new(program(project));
    let made =
        command.arg("openapi").output().map_err(|e| format!("{} does not start: {e}", shown(&command)))?;
    let committed =
        fs::read(project.root.join(DOCUMENT)).map_err(|e| format!("{DOCUMENT} is not readable: {e}"))?;
    if made.stdout != committed {
        return Err(format!("{DOCUMENT} is not what `medorder-gateway openapi` prints: commit that"));
    }
    String::from_utf8(committed).map_err(|_| format!("{DOCUMENT} is no UTF-8"))
}

/// Runs schemathesis to its end; answers how it ended and what the hooks counted.
fn fuzz(
    project: &Project,
    demo: &Demo,
    python: &Path,
    roles: &str,
    territory: &str,
    options: &[&str],
) -> Result<(Result<(), String>, Vec<Count>), String> {
    let suite = project.root.join(SUITE);
    let mut token = Command::new(python);
    token.arg(suite.join("token.py")).arg(demo.data()).args([roles, territory]).stdin(Stdio::null());
    let token = token.output().map_err(|e| format!("{} does not start: {e}", shown(&token)))?;
    let token = String::from_utf8_lossy(&token.stdout).trim().to_owned();
    if token.is_empty() {
        return Err("no token for the fuzz".to_owned());
    }
    let counts = demo.folder.join("counts.txt");
    let _ = fs::remove_file(&counts);
    let mut fuzz = Command::new(python.with_file_name("schemathesis"));
    fuzz.arg("--config-file")
        .arg(suite.join("schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/api/openapi.json", demo.url))
        .args(options)
        .arg("--no-color")
        .env("MEDORDER_GATEWAY", &demo.url)
        .env("MEDORDER_TOKEN", token)
        .env("MEDORDER_API_HOOKS", suite.join("hooks.py"))
        .env("MEDORDER_API_COUNTS", &counts)
        // It leaves notes of its own where it runs.
        .current_dir(&demo.folder)
        .stdin(Stdio::null());
    let ended = run(&mut fuzz);
    let text = fs::read_to_string(&counts).unwrap_or_default();
    let counts: Option<Vec<_>> = text.lines().map(Count::read).collect();
    match counts {
        Some(counts) if !counts.is_empty() => Ok((ended, counts)),
        _ => Err(ended.err().unwrap_or_else(|| "the fuzz counted nothing".to_owned())),
    }
}

/// What came of the requests of one call.
struct Count {
    call: String,
    answers: u64,
    successes: u64,
    denials: u64,
    failures: u64,
}

impl Count {
    /// A line that hooks.py leaves.
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.split('\t');
        let call = parts.next()?.to_owned();
        let mut number = || parts.next()?.parse().ok();
        Some(Self { call, answers: number()?, successes: number()?, denials: number()?, failures: number()? })
    }

    /// Checks that failed, and a call that was refused each time, which shows nothing of what it does.
    fn fault_of_everybody(&self) -> Option<String> {
        match (self.failures, self.successes) {
            (0, 1..) => None,
            (0, 0) => Some(format!("{}: none of {} requests succeeded", self.call, self.answers)),
            (failures, _) => Some(format!("{}: {failures} failures", self.call)),
        }
    }

    fn fault_of_verifier(&self) -> Option<String> {
        match (self.failures, self.successes, self.denials) {
            (0, 0, 1..) => None,
            (0, 0, 0) => Some(format!("{}: no request was denied", self.call)),
            (0, successes, _) => Some(format!("{}: {successes} requests were not denied", self.call)),
            (failures, ..) => Some(format!("{}: {failures} failures", self.call)),
        }
    }
}

fn report(counts: &[Count], faults: &[String], tally: &mut Tally) {
    for count in counts {
        let (answers, successes, denials) = (count.answers, count.successes, count.denials);
        println!("  {:42} {answers:4} answers, {successes:3} successes, {denials:3} denials", count.call);
    }
    for fault in faults {
        println!("  {fault}");
    }
    let word = if faults.is_empty() { "ok" } else { "FAILED" };
    let passed = counts.len() - faults.len();
    let line = format!("test result: {word}. {passed} passed; {} failed; 0 ignored", faults.len());
    println!("{line}");
    tally.read(&line);
}

fn failed(faults: &[String], fuzzed: Result<(), String>) -> Result<(), String> {
    if faults.is_empty() {
        fuzzed
    } else {
        Err(format!("the fuzz of the API found faults in {} calls", faults.len()))
    }
}

/// A demo on a free port with its data in a temporary folder; gone when dropped.
struct Demo {
    child: Child,
    /// Held open, for the demo would meet a broken pipe.
    _output: BufReader<ChildStdout>,
    folder: PathBuf,
    url: String,
}

impl Demo {
    fn start(project: &Project) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("medorder-api-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
        let mut command = Command::new(program(project));
        command.args(["demo", "--listen", "127.0.0.1:0", "--folder"]).arg(folder.join("data"));
        // One caller from one address asks far more than people do.
        command.args(["--user-rate", "1000000", "--refused-rate", "1000000"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let started =
            child.map_err(|e| format!("{} does not start: {e}", shown(&command))).and_then(|mut child| {
                let output = child.stdout.take().ok_or("the output of the demo is not there to read")?;
                Ok((child, BufReader::new(output)))
            });
        let (child, output) = started.inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;
        let mut demo = Self { child, _output: output, folder, url: String::new() };
        let mut line = String::new();
        while demo.url.is_empty() {
            line.clear();
            match demo._output.read_line(&mut line) {
                Ok(1..) => demo.url = line.strip_prefix("open ").unwrap_or_default().trim().to_owned(),
                _ => return Err("the demo ended before it was ready".to_owned()),
            }
        }
        Ok(demo)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Asks the demo to end; whatever was sent to it, it closes its engine without a fault.
    fn stop(&mut self) -> Result<(), String> {
        run(Command::new("kill").arg(self.child.id().to_string()))?;
        let status = self.child.wait().map_err(|e| format!("the demo is lost: {e}"))?;
        if status.success() { Ok(()) } else { Err(format!("the demo ended badly ({status})")) }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(line: &str) -> Count {
        Count::read(line).unwrap()
    }

    #[test]
    fn a_call_that_never_succeeds_is_a_fault() {
        assert_eq!(count("GET /a\t9\t1\t0\t0").fault_of_everybody(), None);
        assert!(count("GET /a\t9\t0\t0\t0").fault_of_everybody().is_some());
        assert!(count("GET /a\t9\t1\t0\t2").fault_of_everybody().is_some());
        assert!(Count::read("GET /a\t9").is_none());
    }

    #[test]
    fn a_call_that_is_not_denied_is_a_fault() {
        assert_eq!(count("GET /a\t9\t0\t9\t0").fault_of_verifier(), None);
        assert!(count("GET /a\t9\t1\t8\t0").fault_of_verifier().is_some());
        assert!(count("GET /a\t9\t0\t0\t0").fault_of_verifier().is_some());
    }
}
