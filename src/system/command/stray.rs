//! Children that cannot be killed: a program that is setuid and has become another user wholly may ignore us, and one
//! that waits for a broken disk ignores everybody.
//!
//! The attempt does not wait for them. A thread does, so that each is reaped when it ends by itself; of one program
//! there are at most [`MAX`] at a time, then it is not run any more.

use crate::system::thread;
use log::{error, info};
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many of one program there may be.
const MAX: usize = 16;

struct Stray {
    program: String,
    pid: u32,
}

static STRAYS: Mutex<Vec<Stray>> = Mutex::new(Vec::new());

fn strays() -> MutexGuard<'static, Vec<Stray>> {
    STRAYS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many processes of programs there are that could not be killed.
#[must_use]
pub fn count() -> usize {
    strays().len()
}

/// Why `program` is not run, when it is not.
pub(super) fn refusal(program: &str) -> Option<String> {
    let all = strays();
    let pids: Vec<String> = all
        .iter()
        .filter(|stray| stray.program == program)
        .map(|stray| stray.pid.to_string())
        .collect();
    (pids.len() >= MAX).then(|| {
        format!(
            "{} processes of it could not be killed and still run: end them as root (kill -9 {})",
            pids.len(),
            pids.join(" ")
        )
    })
}

/// Leaves `child` to itself, with one loud line that says `why` it could not be killed.
pub(super) fn leave(program: &str, mut child: Child, why: &str) {
    let pid = child.id();
    error!(
        "{program}: process {pid} could not be killed: {why}; it is left to itself: end it as root (kill -9 {pid}) and see why it hangs"
    );
    strays().push(Stray {
        program: program.to_owned(),
        pid,
    });
    let name = program.to_owned();
    let wait = move || {
        let ended = child.wait();
        strays().retain(|stray| stray.pid != pid);
        match ended {
            Ok(status) => {
                info!("{name}: process {pid}, which could not be killed, has ended: {status}")
            }
            Err(error) => error!("{name}: process {pid}: {error}"),
        }
    };
    if let Err(error) = thread("reaper", wait) {
        // Not reaped before we end; it counts until then.
        error!("{program}: nobody waits for process {pid}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    #[test]
    fn there_are_not_too_many_and_each_is_reaped() {
        let sleeps = || {
            let mut command = Command::new("/bin/cat");
            command.stdin(Stdio::piped()).spawn().unwrap()
        };
        let mut inputs = Vec::new();
        for _ in 0..MAX {
            assert_eq!(refusal("stray test"), None);
            let mut child = sleeps();
            inputs.push(child.stdin.take());
            leave("stray test", child, "no reason");
        }
        assert!(refusal("stray test").unwrap().contains("kill -9 "));
        assert_eq!(refusal("another"), None);
        assert!(count() >= MAX);
        drop(inputs);
        let limit = Instant::now() + Duration::from_secs(30);
        while strays().iter().any(|stray| stray.program == "stray test") {
            assert!(Instant::now() < limit);
            std::thread::yield_now();
        }
        assert_eq!(refusal("stray test"), None);
    }
}
