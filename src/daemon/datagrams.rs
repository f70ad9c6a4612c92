//! Intake from a datagram socket: peek, commit, consume.
//!
//! A datagram leaves the kernel's queue only after it is committed: a process that dies in
//! between leaves a duplicate, never a loss.
//!
//! One thread peeks, another one commits and consumes. So the one that peeks never waits for the disk, and opens
//! a staged message at once, before lmtpd unlinks it. It is woken by each datagram that arrives
//! (an edge), because those that are being committed keep the socket readable.

use super::commit::Committer;
use super::intake::Intake;
use crate::spool::NewRow;
use crate::system::cancel::Cancel;
use crate::system::peek::{Consumer, Peeker};
use crate::system::thread;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Most datagrams in one batch. The kernel queues 11 by default (`net.unix.max_dgram_qlen`).
const BATCH: usize = 64;
/// How long the socket is emptied at most when leaving.
const LAST_READ: Duration = Duration::from_secs(1);
/// How long nothing must have come before we leave.
const QUIET: Duration = Duration::from_millis(100);
/// Wake-up: something has arrived.
const ARRIVAL: u64 = 0;
/// Wake-up: we are to leave.
const LEAVE: u64 = 1;

/// What was peeked at since the last batch.
struct Batch {
    rows: Vec<NewRow>,
    /// For each datagram in the kernel's queue, whether it is empty.
    datagrams: Vec<bool>,
    /// Who wants to know when they are consumed.
    done: Option<Sender<()>>,
}

/// Reads until `leave` is raised; then empties the socket a last time.
///
/// # Errors
/// When the socket is broken.
pub(super) fn read(
    mut socket: Peeker,
    intake: &mut Intake,
    committer: Committer,
    leave: &Cancel,
) -> io::Result<()> {
    let wakeups = wakeups(&socket, leave)?;
    let (batches, queue) = channel();
    let under_way = Arc::new(AtomicUsize::new(0));
    let committing = {
        let (consumer, under_way) = (socket.consumer(), under_way.clone());
        thread("commit", move || {
            commit_all(&queue, &committer, &consumer, &under_way)
        })?
    };
    let mut reader = Reader {
        consumer: socket.consumer(),
        under_way,
        socket: &mut socket,
        intake,
        batches,
    };
    let mut count = BATCH;
    while !wait(&wakeups, (count == BATCH).then_some(Duration::ZERO))? {
        count = reader.read_batch()?;
    }
    // Cyrus' master spins in its shutdown when datagrams are left in the socket, so wait for those who still send.
    epoll::delete(&wakeups, leave)?;
    let end = Instant::now() + LAST_READ;
    let mut quiet = Instant::now() + QUIET;
    while Instant::now() < quiet.min(end) {
        if reader.read_batch()? > 0 {
            quiet = Instant::now() + QUIET;
        }
        reader.wait_until_consumed()?;
        wait(&wakeups, Some(QUIET / 4))?;
    }
    drop(reader);
    committing
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("internal error: the commit has panicked")))
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

struct Reader<'a> {
    socket: &'a mut Peeker,
    consumer: Consumer,
    /// Batches that are not consumed yet.
    under_way: Arc<AtomicUsize>,
    intake: &'a mut Intake,
    batches: Sender<Batch>,
}

impl Reader<'_> {
    /// Takes what is queued and not yet seen; how much that was, [`BATCH`] when there may be more.
    fn read_batch(&mut self) -> io::Result<usize> {
        let datagrams = self.peek_batch()?;
        let count = datagrams.len();
        if count > 0 {
            self.send(datagrams, None)?;
        }
        if self.socket.is_stuck() {
            self.wait_until_consumed()?;
            self.socket.restart()?;
            return Ok(BATCH);
        }
        Ok(count)
    }

    fn peek_batch(&mut self) -> io::Result<Vec<bool>> {
        let mut datagrams = Vec::new();
        while datagrams.len() < BATCH {
            let Some(datagram) = self.socket.peek()? else {
                break;
            };
            datagrams.push(datagram.is_empty);
            if !self.intake.allows(datagram.arrival) {
                continue;
            }
            match datagram.truncated {
                true => self.intake.truncated(datagram.arrival),
                false => self.intake.datagram(datagram.bytes, datagram.arrival),
            }
        }
        Ok(datagrams)
    }

    fn send(&mut self, datagrams: Vec<bool>, done: Option<Sender<()>>) -> io::Result<()> {
        let rows = self.intake.owed();
        if rows.is_empty() && done.is_none() && self.under_way.load(Ordering::Acquire) == 0 {
            return self.consumer.consume(&datagrams); // all done at once: nothing to commit
        }
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let batch = Batch {
            rows,
            datagrams,
            done,
        };
        self.batches
            .send(batch)
            .map_err(|_| io::Error::other("the commit has ended"))
    }

    /// Waits until all that was sent is committed and consumed.
    fn wait_until_consumed(&mut self) -> io::Result<()> {
        let (done, answer) = channel();
        self.send(Vec::new(), Some(done))?;
        answer
            .recv()
            .map_err(|_| io::Error::other("the commit has ended"))
    }
}

/// Commits batches and consumes them, until there are no more to come.
fn commit_all(
    queue: &Receiver<Batch>,
    committer: &Committer,
    consumer: &Consumer,
    under_way: &AtomicUsize,
) -> io::Result<()> {
    while let Ok(first) = queue.recv() {
        // What has come meanwhile goes into the same transaction.
        let mut count = 1;
        let mut rows = first.rows;
        let mut datagrams = first.datagrams;
        let mut waiting: Vec<_> = first.done.into_iter().collect();
        for next in queue.try_iter() {
            count += 1;
            rows.extend(next.rows);
            datagrams.extend(next.datagrams);
            waiting.extend(next.done);
        }
        committer.commit(&rows);
        consumer.consume(&datagrams)?;
        under_way.fetch_sub(count, Ordering::AcqRel);
        for done in waiting {
            let _ = done.send(()); // nobody waits any more: no harm
        }
    }
    Ok(())
}
