//! What the methods that run a program share: how its end becomes an outcome.

use super::Outcome;
use crate::system::cancel::Cancel;
use crate::system::command::{self, Ended};
use crate::system::syslog::printable;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// How much of a program's output is told, in bytes.
const TOLD: usize = 300;

/// Runs `command` with `input`; `judge` says what its exit status means.
pub(super) fn run(
    command: Command,
    input: &[u8],
    limit: Duration,
    cancel: &Cancel,
    judge: fn(ExitStatus) -> fn(String) -> Outcome,
) -> Outcome {
    let name = printable(command.get_program().as_encoded_bytes(), TOLD);
    match command::run(command, input, limit, cancel) {
        Ok(Ended::Exit(status, output)) => {
            judge(status)(format!("{}{}", describe(status), said(&output)))
        }
        Ok(Ended::TimedOut(output)) => Outcome::Temporary(format!(
            "killed: took longer than {} s{}",
            limit.as_secs(),
            said(&output)
        )),
        Ok(Ended::NotStarted(why)) => Outcome::Temporary(format!("{name} was not started: {why}")),
        Ok(Ended::RunsOn(pid)) => Outcome::Temporary(format!(
            "could not be killed and runs on as process {pid}: took longer than {} s, or the daemon ends",
            limit.as_secs()
        )),
        Ok(Ended::Cancelled) => Outcome::Temporary("stopped, because the daemon ends".into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Outcome::Temporary(format!(
            "cannot run {name}: {error} (the value is a path, without arguments)"
        )),
        Err(error) => Outcome::Temporary(format!("cannot run {name}: {error}")),
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
