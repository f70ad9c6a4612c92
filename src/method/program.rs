//! What the methods that run a program share: how its end becomes what they make of it.

use crate::system::cancel::Cancel;
use crate::system::command::{self, Ended};
use crate::system::syslog::printable;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// How much of a program's output is told, in bytes.
const TOLD: usize = 300;

/// What the end of a program means; each gets the reason for the log.
pub(super) struct Meaning<T> {
    /// It ended by itself.
    pub(super) exit: fn(ExitStatus) -> fn(String) -> T,
    /// We ended it, because of the time limit or because the daemon ends.
    pub(super) killed: fn(String) -> T,
    /// It could not be started.
    pub(super) not_run: fn(String) -> T,
}

/// Runs `command` with `input`; `meaning` says what its end means.
pub(super) fn run<T>(
    command: Command,
    input: &[u8],
    limit: Duration,
    cancel: &Cancel,
    meaning: &Meaning<T>,
) -> T {
    let name = printable(command.get_program().as_encoded_bytes(), TOLD);
    match command::run(command, input, limit, cancel) {
        Ok(Ended::Exit(status, output)) => {
            (meaning.exit)(status)(format!("{}{}", describe(status), said(&output)))
        }
        Ok(Ended::TimedOut(output)) => (meaning.killed)(format!(
            "killed: took longer than {} s{}",
            limit.as_secs(),
            said(&output)
        )),
        Ok(Ended::NotStarted(why)) => (meaning.not_run)(format!("{name} was not started: {why}")),
        Ok(Ended::RunsOn(pid)) => (meaning.killed)(format!(
            "could not be killed and runs on as process {pid}: took longer than {} s, or the daemon ends",
            limit.as_secs()
        )),
        Ok(Ended::Cancelled) => (meaning.killed)("stopped, because the daemon ends".into()),
        Err(error) if error.kind() == ErrorKind::NotFound => (meaning.not_run)(format!(
            "cannot run {name}: {error} (the value is a path, without arguments)"
        )),
        Err(error) => (meaning.not_run)(format!("cannot run {name}: {error}")),
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

fn said(output: &[u8]) -> String {
    let output = output.trim_ascii();
    if output.is_empty() {
        String::new()
    } else {
        format!(", said: {}", printable(output, TOLD))
    }
}
