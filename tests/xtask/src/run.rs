//! Runs steps in their order and says how it went.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::project::{Project, shown};
use crate::tally::Tally;

/// What `check` and `test` are made of.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) work: fn(&Project, &mut Tally) -> Result<Done, String>,
}

/// A step without a fault.
pub(crate) enum Done {
    Ok,
    /// There was nothing to do; says why.
    Nothing(&'static str),
}

struct Row {
    name: &'static str,
    result: &'static str,
    took: Option<Duration>,
}

/// Runs the steps until one fails. The last line of the output is the count of tests.
pub(crate) fn all(project: &Project, steps: &[Step]) -> ExitCode {
    let mut tally = Tally::default();
    let mut failure = None;
    let mut rows = Vec::new();
    for step in steps {
        if failure.is_some() {
            rows.push(Row { name: step.name, result: "not run", took: None });
            continue;
        }
        println!("\n==> {}", step.name);
        let started = Instant::now();
        let failed_before = tally.failed;
        let done = (step.work)(project, &mut tally);
        let result = match done {
            Ok(Done::Ok) => "ok",
            Ok(Done::Nothing(why)) => {
                println!("{why}");
                "nothing to do"
            }
            Err(message) => {
                // A green count must not stand below a red step.
                if tally.failed == failed_before {
                    tally.failed += 1;
                }
                failure = Some(format!("{}: {message}", step.name));
                "FAILED"
            }
        };
        rows.push(Row { name: step.name, result, took: Some(started.elapsed()) });
    }
    print!("\n{}", table(&rows));
    if let Some(message) = &failure {
        println!("\n{message}");
    }
    println!("\n{tally}");
    if failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs tests to their end, passing their output on and counting them.
pub(crate) fn counted(command: &mut Command, tally: &mut Tally) -> Result<Done, String> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{} does not start: {e}", shown(command)))?;
    let output = child.stdout.take().ok_or("the output is not there to read")?;
    let passed_before = tally.passed;
    copy_lines(BufReader::new(output), io::stdout().lock(), tally)
        .map_err(|e| format!("the output of {} is lost: {e}", shown(command)))?;
    let status = child.wait().map_err(|e| format!("{} is lost: {e}", shown(command)))?;
    if !status.success() {
        Err(format!("{} failed ({status})", shown(command)))
    } else if tally.passed == passed_before {
        Err(format!("{} ran no test", shown(command)))
    } else {
        Ok(Done::Ok)
    }
}

fn copy_lines(mut from: impl BufRead, mut to: impl Write, tally: &mut Tally) -> io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        tally.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let name_width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let result_width = rows.iter().map(|row| row.result.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Row { name, result, took } in rows {
        let took = took.map_or(String::new(), |took| format!("{:>7.1} s", took.as_secs_f64()));
        let line = format!("{name:name_width$}  {result:result_width$}  {took}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_passed_on_as_it_is() {
        let text = b"a\n\xff\ntest result: ok. 2 passed; 0 failed; 0 ignored\nno end".as_slice();
        let (mut copy, mut tally) = (Vec::new(), Tally::default());
        copy_lines(text, &mut copy, &mut tally).unwrap();
        assert_eq!(copy, text);
        assert_eq!(tally.passed, 2);
    }

    #[test]
    fn the_table_lines_up() {
        let rows = [
            Row { name: "format", result: "ok", took: Some(Duration::from_millis(1234)) },
            Row { name: "tests", result: "FAILED", took: Some(Duration::from_secs(100)) },
            Row { name: "quickstart", result: "not run", took: None },
        ];
        assert_eq!(
            table(&rows),
            "format      ok           1.2 s\ntests       FAILED     100.0 s\nquickstart  not run\n"
        );
    }
}
