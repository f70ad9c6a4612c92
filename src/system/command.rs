//! Runs a program with limits: on time, on its output, and on what it can do to us.
//!
//! The program gets its standard input, `/dev/null` for nothing else, a process group of its
//! own, and our environment without what the service manager says to us. Its input is whole before it starts
//! (`command/input.rs`). It may leave it unread, flood its output, hang, or fork: we poll its output and the process
//! at once, keep only the head of the output, and at the time limit kill the whole process group. Whatever fails on
//! our side, it is killed and reaped; one that cannot be killed is left to a thread (`command/stray.rs`).

mod environment;
mod input;
mod stray;

pub use stray::count as strays;

use super::cancel::Cancel;
use super::syslog::printable;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How much of a program's output is kept, in bytes.
pub const MAX_OUTPUT: usize = 4096;
/// How many programs may have left children behind that still hold their output.
const MAX_LINGERING: usize = 32;
/// How long a program may take to end after it was killed.
const KILL_LIMIT: Duration = Duration::from_secs(1);
/// How often we look whether a program has ended where the kernel does not tell (no pidfd_open(2)).
const LOOK: Duration = Duration::from_millis(20);
/// Longest name of a program in a log line, in bytes.
const NAME: usize = 300;

/// How a program ended.
#[derive(Debug)]
pub enum Ended {
    /// It was not started: why.
    NotStarted(String),
    /// By itself, with the head of what it wrote to standard output and error.
    Exit(ExitStatus, Vec<u8>),
    /// Killed: the time limit had passed.
    TimedOut(Vec<u8>),
    /// Killed: we were told to stop.
    Cancelled,
    /// It should have been killed, for either reason, and could not be: it runs on, with this process id.
    RunsOn(u32),
}

/// Runs `command` (program and arguments set by the caller) with `input` on its standard input.
///
/// # Errors
/// When the program could not be started (`NotFound`, `PermissionDenied`, …), or could not be watched and was killed.
pub fn run(
    mut command: Command,
    input: &[u8],
    limit: Duration,
    cancel: &Cancel,
) -> io::Result<Ended> {
    let deadline = Instant::now() + limit;
    let name = printable(command.get_program().as_encoded_bytes(), NAME);
    if let Some(why) = refusal(&name, limit, cancel) {
        return Ok(Ended::NotStarted(why));
    }
    let (output, writer) = io::pipe()?;
    command
        .stdin(input::whole(input)?)
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    environment::clean(&mut command);
    let mut running = Running::new(command.spawn()?, name, output.into());
    drop(command); // holds the input and the writing ends of the output pipe
    let stopped = running.serve(deadline, cancel)?;
    let end = running.end()?;
    running.read_rest();
    let head = std::mem::take(&mut running.head);
    Ok(match (end, stopped) {
        (End::Itself(status), _) | (End::Killed(status), Stop::Exited) => Ended::Exit(status, head),
        (End::Killed(_), Stop::TimedOut) => Ended::TimedOut(head),
        (End::Killed(_), Stop::Cancelled) => Ended::Cancelled,
        (End::RunsOn, _) => Ended::RunsOn(running.pid),
    })
}

/// Why a program is not started, when it is not.
fn refusal(name: &str, limit: Duration, cancel: &Cancel) -> Option<String> {
    if limit.is_zero() {
        return Some("the attempt had no time left for it".into());
    }
    if cancel.is_raised() {
        return Some("the daemon ends".into());
    }
    stray::refusal(name)
}

/// Why we watch a program no longer.
enum Stop {
    Exited,
    TimedOut,
    Cancelled,
}

/// How its process ended.
enum End {
    Itself(ExitStatus),
    Killed(ExitStatus),
    RunsOn,
}

/// A program that was started. Dropped before its end it is killed, and reaped.
struct Running {
    name: String,
    pid: u32,
    /// `None` when it was reaped, or is left to itself.
    child: Option<Child>,
    /// Readable when it has ended; `None` where the kernel has no such thing, or we no descriptor left.
    process: Option<OwnedFd>,
    output: Option<OwnedFd>,
    head: Vec<u8>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end(); // an error is on its way to the caller already
    }
}

impl Running {
    fn new(child: Child, name: String, output: OwnedFd) -> Running {
        Running {
            name,
            pid: child.id(),
            process: pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok(),
            child: Some(child),
            output: Some(output),
            head: Vec::new(),
        }
    }

    /// Drains the program's output until it ends or must be ended.
    fn serve(&mut self, deadline: Instant, cancel: &Cancel) -> io::Result<Stop> {
        if let Some(output) = &self.output {
            rustix::io::ioctl_fionbio(output, true)?;
        }
        loop {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return Ok(Stop::TimedOut);
            };
            let (exited, cancelled) = self.wait(left, Some(cancel))?;
            if exited {
                return Ok(Stop::Exited);
            }
            if cancelled {
                return Ok(Stop::Cancelled);
            }
        }
    }

    /// Waits until something happens, and takes what output there is: (the program has ended, we are told to stop).
    fn wait(&mut self, left: Duration, cancel: Option<&Cancel>) -> io::Result<(bool, bool)> {
        let reaped = match (&self.process, &mut self.child) {
            (None, Some(child)) => child.try_wait()?.is_some(),
            _ => false,
        };
        let left = match self.process {
            _ if reaped => Duration::ZERO,
            Some(_) => left,
            None => left.min(LOOK),
        };
        let watched = [
            self.process.as_ref().map(AsFd::as_fd),
            cancel.map(AsFd::as_fd),
            self.output.as_ref().map(AsFd::as_fd),
        ];
        let in_order = watched.iter().flatten();
        let mut fds: Vec<PollFd<'_>> = in_order
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut is_ready = |fd: Option<_>| fd.is_some() && ready.next().unwrap_or(false);
        let [exited, cancelled, readable] = watched.map(&mut is_ready);
        if readable {
            self.drain();
        }
        Ok((reaped || exited, cancelled))
    }

    /// Reaps the program; before that it kills it, with all of its group, unless it has ended.
    ///
    /// # Errors
    /// When somebody else has waited for it.
    fn end(&mut self) -> io::Result<End> {
        let Some(mut child) = self.child.take() else {
            return Ok(End::RunsOn); // said already
        };
        if let Some(status) = child.try_wait()? {
            return Ok(End::Itself(status));
        }
        let killed = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let deadline = Instant::now() + KILL_LIMIT;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            if let Some(status) = child.try_wait()? {
                return Ok(End::Killed(status));
            }
            if self.wait(left.min(LOOK), None).is_err() {
                std::thread::sleep(LOOK);
            }
        }
        let why = match killed {
            Ok(()) => "it does not end".into(),
            Err(error) => io::Error::from(error).to_string(),
        };
        stray::leave(&self.name, child, &why);
        Ok(End::RunsOn)
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
        assert_eq!(exit(sh("exit 0", &vec![b'x'; 4 << 20], LONG)).0, Some(0));
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

    /// As when it could not be watched.
    #[test]
    fn what_is_dropped_is_killed_and_reaped() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 1000 & wait"]).process_group(0);
        let child = command.spawn().unwrap();
        let pid = Pid::from_child(&child);
        drop(Running::new(
            child,
            "sh".into(),
            io::pipe().unwrap().0.into(),
        ));
        assert_eq!(
            rustix::process::test_kill_process(pid),
            Err(rustix::io::Errno::SRCH)
        );
        let limit = Instant::now() + LONG;
        // Whoever adopts orphans reaps the other one.
        while rustix::process::test_kill_process_group(pid).is_ok() {
            assert!(Instant::now() < limit);
            std::thread::yield_now();
        }
    }

    /// Linux before 5.3, and some profiles of seccomp, have no pidfd_open(2).
    #[test]
    fn without_a_descriptor_of_the_process_its_end_is_seen_and_made() {
        let started = |script: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]).process_group(0);
            let child = command.spawn().unwrap();
            let mut running = Running::new(child, "sh".into(), io::pipe().unwrap().0.into());
            running.process = None;
            running
        };
        let cancel = Cancel::new().unwrap();
        let mut ends = started("exit 3");
        let stopped = ends.serve(Instant::now() + LONG, &cancel).unwrap();
        assert!(matches!(stopped, Stop::Exited));
        assert!(matches!(ends.end().unwrap(), End::Itself(status) if status.code() == Some(3)));
        let mut hangs = started("exec sleep 1000");
        let stopped = hangs.serve(Instant::now() + 2 * LOOK, &cancel).unwrap();
        assert!(matches!(stopped, Stop::TimedOut));
        assert!(matches!(hangs.end().unwrap(), End::Killed(_)));
    }

    #[test]
    fn what_cannot_be_in_time_is_not_started() {
        let cancel = Cancel::new().unwrap();
        let ended = |limit| run(Command::new("/nonexistent"), b"", limit, &cancel);
        assert!(matches!(
            ended(Duration::ZERO).unwrap(),
            Ended::NotStarted(_)
        ));
        assert!(ended(LONG).is_err());
        cancel.raise();
        assert!(matches!(ended(LONG).unwrap(), Ended::NotStarted(_)));
    }

    #[test]
    fn the_service_managers_words_are_not_passed_on() {
        let mut command = Command::new("/usr/bin/env");
        command.env("NOTIFY_SOCKET", "/run/systemd/notify");
        command
            .env("LISTEN_FDS", "1")
            .env("CYRUS_SERVICE", "notify");
        let ended = run(command, b"", LONG, &Cancel::new().unwrap()).unwrap();
        let (_, environment) = exit(ended);
        assert!(environment.contains("CYRUS_SERVICE=notify"));
        assert!(!environment.contains("NOTIFY_SOCKET") && !environment.contains("LISTEN_FDS"));
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
