//! Intake from a datagram socket: peek, commit, consume.
//!
//! A datagram leaves the kernel's queue only after it is committed: a process that dies in
//! between leaves a duplicate, never a loss.
//!
//! One thread does it all, as long as commits are quick. When one lasts, a [stand-in](super::stand_in) goes on
//! peeking meanwhile, so that a staged message is opened before lmtpd unlinks it, however slow the disk is.
//! Both are woken by each datagram that arrives (an edge), because those that are being committed keep the
//! socket readable.

use super::commit::Committer;
use super::intake::Intake;
use super::stand_in::StandIn;
use crate::spool::NewRow;
use crate::system::cancel::Cancel;
use crate::system::folders::Folders;
use crate::system::peek::{BATCH, Consumer, Peeked, Peeker};
use crate::system::scoped_thread;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the socket is emptied at most when leaving.
const LAST_READ: Duration = Duration::from_secs(1);
/// How long nothing must have come before we leave.
const QUIET: Duration = Duration::from_millis(100);
/// How long the stand-in waits for the next datagram before it looks whether it is still needed.
const LINGER: Duration = Duration::from_millis(10);
/// Wake-up: something has arrived.
const ARRIVAL: u64 = 0;
/// Wake-up: a message was staged or removed. It is to be open before lmtpd sends a notification that names it.
const STAGED: u64 = 2;
/// Wake-up: we are to leave.
const LEAVE: u64 = 1;

/// Reads until `leave` is raised; then empties the socket a last time, unless it `hands_over` to a successor.
///
/// # Errors
/// When the socket is broken.
pub(super) fn read(
    mut socket: Peeker,
    intake: &mut Intake,
    committer: &Committer,
    leave: &Cancel,
    hands_over: &AtomicBool,
) -> io::Result<()> {
    if !socket.senders_are_noted() {
        intake.senders_were_not_noted();
    }
    let staging = intake.watch_staging();
    let wakeups = wakeups(&socket, staging, Some(leave))?;
    let arrivals = self::wakeups(&socket, staging, None)?;
    let reader = Reader {
        consumer: socket.consumer(),
        committer,
        leave,
        seen: Mutex::default(),
        peeking: Mutex::new(Peeking {
            socket: &mut socket,
            intake,
            at_head: true,
            doubted: Vec::new(),
        }),
        stand_in: StandIn::default(),
    };
    thread::scope(|scope| {
        let body = || {
            reader.stand_in.work(|| {
                reader.peek()?;
                wait(&arrivals, Some(LINGER))?;
                Ok(())
            })
        };
        let stand_in = scoped_thread(scope, "stand-in", body)?;
        let end = reader.stand_in.end_when_dropped();
        reader.read_until_told(&wakeups)?;
        if hands_over.load(Ordering::Relaxed) {
            // The sooner the next one reads, the less a sender feels. What the stand-in has seen is done or owed already.
            drop(end);
            let panicked = |_| {
                Err(io::Error::other(
                    "internal error: the stand-in has panicked",
                ))
            };
            let ended = stand_in.join().unwrap_or_else(panicked);
            return ended.and(reader.commit());
        }
        epoll::delete(&wakeups, leave)?;
        reader.read_the_rest(&wakeups)
    })
}

/// Becomes ready at each datagram that arrives, at each message that is staged, and when `leave` is raised.
fn wakeups(
    socket: &Peeker,
    staging: Option<&Folders>,
    leave: Option<&Cancel>,
) -> io::Result<OwnedFd> {
    let wakeups = epoll::create(CreateFlags::CLOEXEC)?;
    let edge = EventFlags::IN | EventFlags::ET;
    epoll::add(&wakeups, socket, EventData::new_u64(ARRIVAL), edge)?;
    if let Some(staging) = staging {
        epoll::add(&wakeups, staging, EventData::new_u64(STAGED), edge)?;
    }
    if let Some(leave) = leave {
        epoll::add(&wakeups, leave, EventData::new_u64(LEAVE), EventFlags::IN)?;
    }
    Ok(wakeups)
}

/// Waits for the next wake-up, at most `limit`; whether it is time to leave.
fn wait(wakeups: &OwnedFd, limit: Option<Duration>) -> io::Result<bool> {
    let mut events = Vec::with_capacity(3);
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

/// What the reader and its stand-in share.
struct Reader<'a> {
    peeking: Mutex<Peeking<'a>>,
    /// Added to while `peeking` is locked: so its order is the kernel's queue's.
    seen: Mutex<Seen>,
    committer: &'a Committer,
    leave: &'a Cancel,
    consumer: Consumer,
    stand_in: StandIn,
}

struct Peeking<'a> {
    socket: &'a mut Peeker,
    intake: &'a mut Intake,
    /// The next datagram is seen from its first byte, whatever other readers did. Else it may be seen from its middle: the
    /// offset is the socket's, and another process that reads moves it (Cyrus' own notifyd, while one replaces the other).
    at_head: bool,
    /// What made no sense, and is looked at once more from its first byte.
    doubted: Vec<u8>,
}

/// What was peeked at and is not consumed.
#[derive(Default)]
struct Seen {
    rows: Vec<NewRow>,
    /// For each datagram in the kernel's queue, whether it is empty.
    datagrams: Vec<bool>,
}

/// What one look at the queue has shown.
struct Look {
    /// How many datagrams were peeked at.
    count: usize,
    /// Whether to look again at once.
    more: bool,
}

impl Reader<'_> {
    fn read_until_told(&self, wakeups: &OwnedFd) -> io::Result<()> {
        let mut more = true;
        while !wait(wakeups, more.then_some(Duration::ZERO))? {
            more = self.read()?.more;
        }
        Ok(())
    }

    /// Cyrus' master spins in its shutdown when datagrams are left in the socket, so wait for those who still send.
    fn read_the_rest(&self, wakeups: &OwnedFd) -> io::Result<()> {
        let end = Instant::now() + LAST_READ;
        let mut quiet = Instant::now() + QUIET;
        while Instant::now() < quiet.min(end) {
            if self.read()?.count > 0 {
                quiet = Instant::now() + QUIET;
            }
            wait(wakeups, Some(QUIET / 4))?;
        }
        Ok(())
    }

    /// Peeks, commits and consumes.
    fn read(&self) -> io::Result<Look> {
        let look = self.peek()?;
        self.commit()?;
        let mut peeking = lock(&self.peeking);
        if look.count > 0 {
            peeking.intake.taken_out();
        }
        if peeking.socket.is_stuck() {
            self.commit()?; // what the stand-in may have seen since
            peeking.socket.restart()?;
            peeking.at_head = true;
            return Ok(Look { more: true, ..look });
        }
        Ok(look)
    }

    fn peek(&self) -> io::Result<Look> {
        let mut peeking = lock(&self.peeking);
        let Peeking {
            socket,
            intake,
            at_head,
            doubted,
        } = &mut *peeking;
        intake.before_reading();
        let mut datagrams = Vec::with_capacity(BATCH);
        let count = socket.peek_while(|datagram| {
            let certain = std::mem::take(at_head);
            if certain && !doubted.is_empty() && std::mem::take(doubted) != datagram.bytes {
                intake.others_read();
            }
            let taken = take(intake, &datagram, certain);
            if taken {
                datagrams.push(datagram.is_empty);
            } else {
                *doubted = datagram.bytes.to_vec();
            }
            taken
        })?;
        if count > 0 {
            let mut seen = lock(&self.seen);
            seen.rows.append(&mut intake.owed());
            seen.datagrams.append(&mut datagrams);
        } else if !socket.is_stuck() {
            intake.queue_was_empty();
        }
        Ok(Look {
            count,
            more: count == BATCH || intake.wants_another_look(),
        })
    }

    /// Commits and consumes what was seen, and what is seen meanwhile.
    fn commit(&self) -> io::Result<()> {
        loop {
            let Seen { rows, datagrams } = std::mem::take(&mut *lock(&self.seen));
            if datagrams.is_empty() {
                return Ok(());
            }
            if !rows.is_empty() {
                let _busy = self.stand_in.busy();
                self.committer.commit_waiting(&rows, self.leave);
            }
            self.consumer.consume(&datagrams)?;
        }
    }
}

/// Takes it, or says false when it is to be looked at once more from its first byte.
fn take(intake: &mut Intake, datagram: &Peeked<'_>, certain: bool) -> bool {
    if !intake.allows(datagram.arrival) {
        return true;
    }
    if datagram.truncated {
        intake.truncated(datagram.arrival);
        return true;
    }
    intake.datagram(datagram.bytes, datagram.arrival, certain)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
