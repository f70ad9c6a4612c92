//! Intake from a datagram socket: peek, commit, consume.
//!
//! A datagram leaves the kernel's queue only after it is committed: a process that dies in
//! between leaves a duplicate, never a loss.
//!
//! Two threads do the same: whoever is woken by a datagram peeks at what is queued, then commits and consumes it,
//! unless the other one is at that; then the other one does it next, in the same order. So while one
//! waits for the disk the other still peeks, and opens a staged message at once, before lmtpd unlinks it; and
//! nothing is handed from thread to thread when one is enough. They are woken by each
//! datagram that arrives (an edge), because those that are being committed keep the socket readable.

use super::commit::Committer;
use super::intake::Intake;
use crate::spool::NewRow;
use crate::system::cancel::Cancel;
use crate::system::peek::{BATCH, Consumer, Peeked, Peeker};
use crate::system::scoped_thread;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the socket is emptied at most when leaving.
const LAST_READ: Duration = Duration::from_secs(1);
/// How long nothing must have come before we leave.
const QUIET: Duration = Duration::from_millis(100);
/// Wake-up: something has arrived.
const ARRIVAL: u64 = 0;
/// Wake-up: we are to leave.
const LEAVE: u64 = 1;

/// Reads until `leave` is raised; then empties the socket a last time.
///
/// # Errors
/// When the socket is broken.
pub(super) fn read(
    mut socket: Peeker,
    intake: &mut Intake,
    committer: &Committer,
    leave: &Cancel,
) -> io::Result<()> {
    let reader = Reader {
        wakeups: wakeups(&socket, leave)?,
        committing: Mutex::new(Committing {
            committer,
            consumer: socket.consumer(),
            leave,
        }),
        seen: Mutex::default(),
        peeking: Mutex::new(Peeking {
            socket: &mut socket,
            intake,
        }),
    };
    thread::scope(|scope| {
        let other = scoped_thread(scope, "intake 2", || reader.read_until_told())?;
        let result = reader.read_until_told();
        leave.raise(); // also when we end because the socket is broken
        let joined = other.join();
        result?;
        joined.unwrap_or_else(|_| Err(io::Error::other("internal error: the intake has panicked")))
    })?;
    epoll::delete(&reader.wakeups, leave)?;
    reader.read_the_rest()
}

/// Becomes ready at each datagram that arrives, and when `leave` is raised.
fn wakeups(socket: &Peeker, leave: &Cancel) -> io::Result<OwnedFd> {
    let wakeups = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &wakeups,
        socket,
        EventData::new_u64(ARRIVAL),
        EventFlags::IN | EventFlags::ET,
    )?;
    epoll::add(&wakeups, leave, EventData::new_u64(LEAVE), EventFlags::IN)?;
    Ok(wakeups)
}

/// Waits for the next wake-up, at most `limit`; whether it is time to leave.
fn wait(wakeups: &OwnedFd, limit: Option<Duration>) -> io::Result<bool> {
    let mut events = Vec::with_capacity(2);
    let limit = limit
        .map(Timespec::try_from)
        .transpose()
        .map_err(io::Error::other)?;
    match epoll::wait(wakeups, spare_capacity(&mut events), limit.as_ref()) {
        Ok(_) => Ok(events.iter().any(|event| event.data.u64() == LEAVE)),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What the two threads share. Who needs several of the locks takes them in this order.
struct Reader<'a> {
    wakeups: OwnedFd,
    peeking: Mutex<Peeking<'a>>,
    committing: Mutex<Committing<'a>>,
    /// Added to only by who peeks, taken only by who commits: so its order is the kernel's queue's.
    seen: Mutex<Seen>,
}

struct Peeking<'a> {
    socket: &'a mut Peeker,
    intake: &'a mut Intake,
}

struct Committing<'a> {
    committer: &'a Committer,
    consumer: Consumer,
    leave: &'a Cancel,
}

/// What was peeked at and is not consumed.
#[derive(Default)]
struct Seen {
    rows: Vec<NewRow>,
    /// For each datagram in the kernel's queue, whether it is empty.
    datagrams: Vec<bool>,
}

impl Reader<'_> {
    fn read_until_told(&self) -> io::Result<()> {
        let mut count = BATCH;
        while !wait(&self.wakeups, (count == BATCH).then_some(Duration::ZERO))? {
            count = self.peek()?;
            self.commit()?;
        }
        Ok(())
    }

    /// Cyrus' master spins in its shutdown when datagrams are left in the socket, so wait for those who still send.
    fn read_the_rest(&self) -> io::Result<()> {
        let end = Instant::now() + LAST_READ;
        let mut quiet = Instant::now() + QUIET;
        while Instant::now() < quiet.min(end) {
            if self.peek()? > 0 {
                quiet = Instant::now() + QUIET;
            }
            self.commit()?;
            wait(&self.wakeups, Some(QUIET / 4))?;
        }
        Ok(())
    }

    /// Looks at what is queued and not yet seen; how much that was, [`BATCH`] when there may be more.
    fn peek(&self) -> io::Result<usize> {
        let mut peeking = lock(&self.peeking);
        let Peeking { socket, intake } = &mut *peeking;
        let mut datagrams = Vec::with_capacity(BATCH);
        let count = socket.peek(|datagram| {
            datagrams.push(datagram.is_empty);
            take(intake, &datagram);
        })?;
        if count > 0 {
            let mut seen = lock(&self.seen);
            seen.rows.append(&mut intake.owed());
            seen.datagrams.append(&mut datagrams);
        }
        if socket.is_stuck() {
            self.commit_seen(&lock(&self.committing))?;
            socket.restart()?;
            return Ok(BATCH);
        }
        Ok(count)
    }

    /// Commits and consumes what was seen, unless the other thread does.
    fn commit(&self) -> io::Result<()> {
        loop {
            let committing = match self.committing.try_lock() {
                Ok(committing) => committing,
                Err(TryLockError::Poisoned(error)) => error.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(()), // who has it looks again
            };
            self.commit_seen(&committing)?;
            drop(committing);
            if lock(&self.seen).datagrams.is_empty() {
                return Ok(());
            }
        }
    }

    fn commit_seen(&self, committing: &Committing<'_>) -> io::Result<()> {
        loop {
            let Seen { rows, datagrams } = std::mem::take(&mut *lock(&self.seen));
            if datagrams.is_empty() {
                return Ok(());
            }
            let Committing {
                committer, leave, ..
            } = committing;
            committer.commit_waiting(&rows, leave);
            committing.consumer.consume(&datagrams)?;
        }
    }
}

fn take(intake: &mut Intake, datagram: &Peeked<'_>) {
    if !intake.allows(datagram.arrival) {
        return;
    }
    match datagram.truncated {
        true => intake.truncated(datagram.arrival),
        false => intake.datagram(datagram.bytes, datagram.arrival),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
