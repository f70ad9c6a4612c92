//! Runs a program with limits: on time, on its output, and on what it can do to us.
//!
//! The program gets its standard input, `/dev/null` for nothing else, a process group of its
//! own, and the rest of our environment. It may leave its input unread, flood its output,
//! hang, or fork: we poll all of its pipes and the process at once, keep only the head of the
//! output, and at the time limit kill the whole process group.

use super::cancel::Cancel;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How much of a program's output is kept, in bytes.
pub const MAX_OUTPUT: usize = 4096;
/// How many programs may have left children behind that still hold their output.
const MAX_LINGERING: usize = 32;

/// How a program ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself, with the head of what it wrote to standard output and error.
    Exit(ExitStatus, Vec<u8>),
    /// Killed: the time limit had passed.
    TimedOut(Vec<u8>),
    /// Killed: we were told to stop.
    Cancelled,
}

/// Runs `command` (program and arguments set by the caller) with `input` on its standard input.
///
/// # Errors
/// When the program could not be started (`NotFound`, `PermissionDenied`, …).
pub fn run(
    mut command: Command,
    input: &[u8],
    limit: Duration,
    cancel: &Cancel,
) -> io::Result<Ended> {
    let deadline = Instant::now() + limit;
    let (output, writer) = io::pipe()?;
    command
        .stdin(Stdio::piped())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    let mut child = command.spawn()?;
    drop(command); // holds the writing ends of the output pipe
    let pid = Pid::from_child(&child);
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(error) => {
            // No descriptor left: it has had no input yet, and nobody could watch it.
            let _ = kill_process_group(pid, Signal::KILL);
            child.wait()?;
            return Err(error.into());
        }
    };
    let mut running = Running {
        process,
        stdin: child.stdin.take().map(OwnedFd::from),
        output: Some(output.into()),
        head: Vec::new(),
    };
    for pipe in [&running.stdin, &running.output].into_iter().flatten() {
        rustix::io::ioctl_fionbio(pipe, true)?;
    }
    let stopped = running.serve(input, deadline, cancel)?;
    if !matches!(stopped, Stop::Exited) {
        // The group may be gone by now, which is what we want.
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let status = child.wait()?;
    running.read_rest();
    Ok(match stopped {
        Stop::Exited => Ended::Exit(status, running.head),
        Stop::TimedOut => Ended::TimedOut(running.head),
        Stop::Cancelled => Ended::Cancelled,
    })
}

enum Stop {
    Exited,
    TimedOut,
    Cancelled,
}

struct Running {
    process: OwnedFd,
    stdin: Option<OwnedFd>,
    output: Option<OwnedFd>,
    head: Vec<u8>,
}

impl Running {
    /// Feeds and drains the program until it ends or must be ended.
    fn serve(&mut self, input: &[u8], deadline: Instant, cancel: &Cancel) -> io::Result<Stop> {
        let mut rest = input;
        loop {
            self.feed(&mut rest);
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return Ok(Stop::TimedOut);
            };
            let (exited, cancelled, readable) = self.wait(left, cancel)?;
            if readable {
                self.drain();
            }
            if exited {
                return Ok(Stop::Exited);
            }
            if cancelled {
                return Ok(Stop::Cancelled);
            }
        }
    }

    /// Waits until something happens: (the program has ended, we are told to stop, there is output).
    fn wait(&self, left: Duration, cancel: &Cancel) -> io::Result<(bool, bool, bool)> {
        let mut fds = vec![
            PollFd::new(&self.process, PollFlags::IN),
            PollFd::new(cancel, PollFlags::IN),
        ];
        if let Some(output) = &self.output {
            fds.push(PollFd::new(output, PollFlags::IN));
        }
        if let Some(stdin) = &self.stdin {
            fds.push(PollFd::new(stdin, PollFlags::OUT));
        }
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |n: usize| !fds[n].revents().is_empty();
        Ok((ready(0), ready(1), self.output.is_some() && ready(2)))
    }

    /// Writes what the pipe takes. A program that closes its input has had enough of it.
    fn feed(&mut self, rest: &mut &[u8]) {
        while let Some(stdin) = &self.stdin {
            if rest.is_empty() {
                self.stdin = None;
                return;
            }
            match rustix::io::write(stdin, rest) {
                Ok(n) => *rest = &rest[n..],
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.stdin = None,
            }
        }
    }

    /// Reads what is there, at most 64 kB at a time; keeps the head, discards the rest.
    fn drain(&mut self) {
        let mut buffer = [0u8; 65_536];
        let Some(output) = &self.output else { return };
        match rustix::io::read(output, &mut buffer[..]) {
            Ok(0) => self.output = None,
            Ok(n) => self
                .head
                .extend_from_slice(&buffer[..n.min(MAX_OUTPUT - self.head.len())]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => self.output = None,
        }
    }

    /// After the program has ended: what is left in its pipe. A child that it left behind may
    /// hold the pipe open; then somebody has to read it, or that child dies of SIGPIPE.
    fn read_rest(&mut self) {
        for _ in 0..2 {
            self.drain(); // a pipe holds 64 kB: two reads empty it when nobody writes any more
        }
        if let Some(output) = self.output.take() {
            linger(output);
        }
    }
}

/// Discards what comes through `output` until its last writer is gone; for at most
/// [`MAX_LINGERING`] pipes at a time, then it is closed at once.
fn linger(output: OwnedFd) {
    static LINGERING: AtomicUsize = AtomicUsize::new(0);
    if LINGERING.fetch_add(1, Ordering::Relaxed) >= MAX_LINGERING {
        LINGERING.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let body = move || {
        let _ = rustix::io::ioctl_fionbio(output.as_fd(), false); // if not, the copy ends early: no harm
        let _ = io::copy(&mut std::fs::File::from(output), &mut io::sink());
        LINGERING.fetch_sub(1, Ordering::Relaxed);
    };
    if super::thread("output", body).is_err() {
        LINGERING.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn sh(script: &str, input: &[u8], limit: Duration) -> Ended {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        run(command, input, limit, &Cancel::new().unwrap()).unwrap()
    }

    const LONG: Duration = Duration::from_secs(30);

    fn exit(ended: Ended) -> (Option<i32>, String) {
        match ended {
            Ended::Exit(status, head) => {
                (status.code(), String::from_utf8_lossy(&head).into_owned())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn input_output_and_status_come_through() {
        assert_eq!(
            exit(sh("cat; echo err >&2; exit 3", b"hello ", LONG)),
            (Some(3), "hello err\n".into())
        );
    }

    #[test]
    fn unread_input_does_no_harm() {
        assert_eq!(exit(sh("exit 0", &vec![b'x'; 1 << 20], LONG)).0, Some(0));
        assert_eq!(
            exit(sh("exec <&-; exit 7", &vec![b'x'; 1 << 20], LONG)).0,
            Some(7)
        );
    }

    #[test]
    fn a_flood_is_cut() {
        let (code, head) = exit(sh("head -c 5000000 /dev/zero; exit 1", b"", LONG));
        assert_eq!((code, head.len()), (Some(1), MAX_OUTPUT));
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let pidfile = dir.path().join("pid");
        let script = format!(
            "sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait",
            pidfile.display()
        );
        let cancel = Arc::new(Cancel::new().unwrap());
        let raiser = {
            let (cancel, pidfile) = (cancel.clone(), pidfile.clone());
            std::thread::spawn(move || {
                while !pidfile.exists() {
                    std::thread::yield_now();
                }
                cancel.raise();
            })
        };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]);
        assert!(matches!(
            run(command, b"", LONG, &cancel).unwrap(),
            Ended::Cancelled
        ));
        raiser.join().unwrap();
        let pid = std::fs::read_to_string(pidfile).unwrap().trim().to_owned();
        let gone = || {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .map_or(true, |stat| stat.contains(") Z "))
        };
        let limit = Instant::now() + LONG;
        while !gone() {
            assert!(Instant::now() < limit);
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_time_limit_holds() {
        assert!(matches!(
            sh("exec sleep 1000", b"", Duration::from_millis(20)),
            Ended::TimedOut(_)
        ));
    }

    #[test]
    fn a_child_left_behind_holds_nothing_up_and_can_still_write() {
        let dir = tempfile::tempdir().unwrap();
        let (go, done) = (dir.path().join("go"), dir.path().join("done"));
        let script = format!(
            "(while [ ! -e {} ]; do :; done; echo late; : > {}) & exit 0",
            go.display(),
            done.display()
        );
        assert_eq!(exit(sh(&script, b"", LONG)).0, Some(0));
        std::fs::write(go, "").unwrap();
        let limit = Instant::now() + LONG;
        while !done.exists() {
            assert!(Instant::now() < limit);
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let error = run(
            Command::new("/nonexistent"),
            b"",
            LONG,
            &Cancel::new().unwrap(),
        )
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
