//! Processes that the suites start, talk to line by line, and kill.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running `worker`; killed when dropped.
pub struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts `program` (the worker's binary) with `args`.
    pub fn start<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let input = child.stdin.take();
        let output = child.stdout.take().map(BufReader::new);
        Self { child, input, output }
    }

    /// Sends a line without waiting for the answer.
    pub fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the worker listens");
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("the worker lives");
    }

    /// The next line it says; `None` once it has ended.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.output.as_mut().expect("nobody else listens").read_line(&mut line) {
            // A line without its end was cut by the kill.
            Ok(_) if line.ends_with('\n') => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    /// Sends a command and waits for its answer.
    pub fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.hear().unwrap_or_else(|| panic!("the worker ended at {line:?}"))
    }

    /// Sends a command that must succeed; answers the words after `ok`.
    #[track_caller]
    pub fn must(&mut self, line: &str) -> Vec<String> {
        let answer = self.ask(line);
        let words = answer.strip_prefix("ok").unwrap_or_else(|| panic!("{line:?} answered {answer:?}"));
        words.split_whitespace().map(str::to_owned).collect()
    }

    /// Kills it and waits until it is gone; what it said and nobody heard can still be heard.
    pub fn kill(&mut self) {
        self.child.kill().expect("the worker is ours to kill");
        self.child.wait().expect("the worker ends");
    }

    /// Lets it end by itself; true if it ended well.
    pub fn finish(&mut self) -> bool {
        self.input = None;
        self.child.wait().expect("the worker ends").success()
    }

    /// Every line it still has to say, until it ends.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.hear()).collect()
    }

    /// Hands out what it says to a thread, so that its pipe never fills.
    pub fn listen(&mut self) -> std::thread::JoinHandle<Vec<String>> {
        let mut output = self.output.take().expect("nobody else listens");
        std::thread::spawn(move || {
            let mut lines = Vec::new();
            let mut line = String::new();
            while matches!(output.read_line(&mut line), Ok(n) if n > 0) && line.ends_with('\n') {
                lines.push(line.trim_end().to_owned());
                line.clear();
            }
            lines
        })
    }

    /// Hands each line it says to `sink`, and `None` once it has ended.
    pub fn listen_to(&mut self, mut sink: impl FnMut(Option<String>) + Send + 'static) {
        let mut output = self.output.take().expect("nobody else listens");
        std::thread::spawn(move || {
            let mut line = String::new();
            while matches!(output.read_line(&mut line), Ok(n) if n > 0) && line.ends_with('\n') {
                sink(Some(line.trim_end().to_owned()));
                line.clear();
            }
            sink(None);
        });
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
