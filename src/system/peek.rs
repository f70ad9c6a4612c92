//! Reading a Unix datagram socket without taking anything: peek first, consume later.
//!
//! `SO_PEEK_OFF` lets a reader peek at *successive* datagrams (`unix(7)`, `socket(7)`): the
//! queue can be decoded and committed to disk before anything leaves the kernel. The offset
//! belongs to the socket, which outlives the process: it is set to 0 at the start and to -1 when leaving.
//! The kernel moves it forth with each peek and back with each datagram that is taken.
//! Peek-then-consume is only right with one reader; see [`super::lock`].

use super::socket::{Arrival, Sender, Sent};
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SetSockOpt, UnixCredentials, recvmmsg,
};
use nix::sys::time::TimeSpec;
use nix::{libc, setsockopt_impl, sockopt_impl};
use rustix::net;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Largest datagram that is taken whole, in bytes; Cyrus' `NOTIFY_MAXSIZE` (`imap/notify.c`).
pub const MAX_DATAGRAM: usize = 65_536;

/// Most datagrams that are taken with one call.
const TAKEN: usize = 64;

/// What the kernel gives for a uid that it does not know (`/proc/sys/kernel/overflowuid`).
const NOBODY: u32 = 65_534;

mod peek_off {
    #![allow(missing_docs)] // the macro makes a public unit struct
    use super::{libc, setsockopt_impl, sockopt_impl};
    sockopt_impl!(PeekOff, SetOnly, libc::SOL_SOCKET, libc::SO_PEEK_OFF, i32);
}

/// Most datagrams that one call looks at. The kernel queues 11 by default (`net.unix.max_dgram_qlen`).
pub const BATCH: usize = 16;

/// A datagram that was peeked at and still lies in the kernel's queue.
#[derive(Debug)]
pub struct Peeked<'a> {
    /// Its bytes, at most [`MAX_DATAGRAM`].
    pub bytes: &'a [u8],
    /// It is longer than [`MAX_DATAGRAM`]; `bytes` is only its beginning.
    pub truncated: bool,
    /// It has no bytes at all.
    pub is_empty: bool,
    /// Who sent it, and when.
    pub arrival: Arrival,
}

/// The reading half of a datagram socket: looks at one datagram after the other, takes none.
pub struct Peeker {
    socket: Arc<OwnedFd>,
    /// One for each datagram of a batch; memory only as far as it was written to.
    buffers: Vec<Vec<u8>>,
    /// The offset stands inside a datagram, or behind one that was not counted: nothing can be seen until what was seen is taken.
    stuck: bool,
    /// The kernel has been asked before us to note who sends.
    noted: bool,
}

/// The other half: takes what was peeked at. The two may be used at the same time, the kernel keeps them apart.
pub struct Consumer {
    socket: Arc<OwnedFd>,
}

/// What the kernel says of a datagram: its length, whether the buffer was too short, and its arrival.
type Seen = (usize, bool, Arrival);

fn seen(message: &RecvMsg<'_, '_, ()>) -> Seen {
    let arrival = match message.cmsgs() {
        Ok(parts) => arrival(parts),
        // It passes a descriptor, which Cyrus never does, and for which there was no room.
        Err(_) => Arrival {
            sender: Some(Sender {
                uid: u32::MAX,
                pid: 0,
            }),
            sent: Sent::Unknown,
        },
    };
    let cut = message.flags.contains(MsgFlags::MSG_TRUNC);
    (message.bytes, cut, arrival)
}

fn arrival(parts: impl Iterator<Item = ControlMessageOwned>) -> Arrival {
    let mut arrival = Arrival {
        sender: None,
        sent: Sent::Unknown,
    };
    for part in parts {
        match part {
            // Sent before SO_PASSCRED was set, the kernel does not know. (A sender that has no pid in
            // our namespace still has a uid.)
            ControlMessageOwned::ScmCredentials(c) if c.pid() == 0 && c.uid() == NOBODY => {}
            ControlMessageOwned::ScmCredentials(c) => {
                arrival.sender = Some(Sender {
                    uid: c.uid(),
                    pid: c.pid(),
                });
            }
            ControlMessageOwned::ScmTimestampns(time) => {
                arrival.sent = Sent::At(SystemTime::UNIX_EPOCH + Duration::from(time));
            }
            _ => {}
        }
    }
    arrival
}

impl Peeker {
    /// Starts reading `socket` at the head of its queue.
    ///
    /// # Errors
    /// When it is not a Unix datagram socket, or the kernel knows no `SO_PEEK_OFF`.
    pub fn new(socket: OwnedFd) -> io::Result<Peeker> {
        let noted = net::sockopt::socket_passcred(&socket)?;
        net::sockopt::set_socket_passcred(&socket, true)?;
        ReceiveTimestampns.set(&socket, &true)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        let mut peeker = Peeker {
            socket: Arc::new(socket),
            buffers: (0..BATCH).map(|_| vec![0; MAX_DATAGRAM + 1]).collect(),
            stuck: false,
            noted,
        };
        peeker.restart()?;
        Ok(peeker)
    }

    /// The half that takes.
    pub fn consumer(&self) -> Consumer {
        Consumer {
            socket: self.socket.clone(),
        }
    }

    /// Whether all that is queued says who sent it, because the kernel had been asked before to note that.
    pub fn senders_are_noted(&self) -> bool {
        self.noted
    }

    fn set_offset(&self, offset: i32) -> io::Result<()> {
        Ok(peek_off::PeekOff.set(&self.socket, &offset)?)
    }

    /// Goes to the head of the queue: what was peeked at and not consumed is seen again.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stuck = false;
        self.set_offset(0)
    }

    /// Whether [`Peeker::restart`] must be called, after what was seen is consumed: the last datagram was too long, or was not
    /// counted.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Looks at what is queued and was not seen yet; how much that was. There may be more when it was [`BATCH`].
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn peek(&mut self, mut each: impl FnMut(Peeked<'_>)) -> io::Result<usize> {
        self.peek_while(|datagram| {
            each(datagram);
            true
        })
    }

    /// The same, until `each` says false: that datagram, and what follows it, is not counted. [`Peeker::restart`] must be called
    /// then, after what was seen before it is consumed.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn peek_while(&mut self, mut each: impl FnMut(Peeked<'_>) -> bool) -> io::Result<usize> {
        if self.stuck {
            return Ok(0);
        }
        let all = self.receive()?;
        for (place, (buffer, &(length, cut, arrival))) in self.buffers.iter().zip(&all).enumerate()
        {
            let seen = each(Peeked {
                bytes: &buffer[..length.min(MAX_DATAGRAM)],
                truncated: cut || length > MAX_DATAGRAM,
                is_empty: length == 0,
                arrival,
            });
            if !seen {
                self.stuck = true;
                return Ok(place);
            }
            if cut {
                // The offset now stands inside this datagram, and what follows here is its rest.
                self.stuck = true;
                return Ok(place + 1);
            }
        }
        Ok(all.len())
    }

    fn receive(&mut self) -> io::Result<Vec<Seen>> {
        let control = nix::cmsg_space!(UnixCredentials, TimeSpec);
        // Made anew for each call: recvmmsg does not give back the room for control messages.
        let mut headers = MultiHeaders::<()>::preallocate(BATCH, Some(control));
        let mut slices: Vec<_> = self
            .buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        match recvmmsg(
            self.socket.as_raw_fd(),
            &mut headers,
            slices.iter_mut(),
            flags,
            None,
        ) {
            Ok(messages) => Ok(messages.map(|message| seen(&message)).collect()),
            Err(nix::Error::EAGAIN) => Ok(Vec::new()),
            Err(nix::Error::EINTR) => self.receive(),
            Err(error) => Err(error.into()),
        }
    }
}

impl Consumer {
    /// Takes datagrams out of the kernel's queue: those that were peeked at first, as many as `batch` has
    /// entries. An entry says whether that datagram is empty.
    ///
    /// The kernel skips an empty datagram that was peeked at before (by a process that died,
    /// say), so it may lie in the queue without being in the batch; it is passed over.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn consume(&self, batch: &[bool]) -> io::Result<()> {
        let mut rest = batch;
        while !rest.is_empty() {
            let lengths = match self.take(rest.len().min(TAKEN)) {
                Ok(lengths) => lengths,
                Err(nix::Error::EAGAIN) => return Ok(()),
                Err(nix::Error::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for length in lengths {
                if length > 0 || rest[0] {
                    rest = &rest[1..];
                }
            }
        }
        Ok(())
    }

    /// Takes up to `most` datagrams: their lengths.
    fn take(&self, most: usize) -> nix::Result<Vec<usize>> {
        let mut headers = MultiHeaders::<()>::preallocate(most, None);
        let mut nothing: Vec<[IoSliceMut<'_>; 1]> =
            (0..most).map(|_| [IoSliceMut::new(&mut [])]).collect();
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let messages = recvmmsg(
            self.socket.as_raw_fd(),
            &mut headers,
            nothing.iter_mut(),
            flags,
            None,
        )?;
        Ok(messages.map(|message| message.bytes).collect())
    }
}

impl AsFd for Peeker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Peeker {
    /// Leaves the socket as a daemon finds it that knows nothing of peek offsets.
    fn drop(&mut self) {
        let _ = self.set_offset(-1); // best effort: a successor of ours sets its own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    /// All that can be seen, and the batch to consume.
    fn look(peeker: &mut Peeker) -> (Vec<Vec<u8>>, Vec<bool>) {
        let (mut all, mut batch) = (Vec::new(), Vec::new());
        let mut each = |one: Peeked<'_>| {
            all.push(one.bytes.to_vec());
            batch.push(one.is_empty);
        };
        while peeker.peek(&mut each).unwrap() > 0 {}
        (all, batch)
    }

    fn pair() -> (UnixDatagram, Peeker, Consumer) {
        let (tx, rx) = UnixDatagram::pair().unwrap();
        let peeker = Peeker::new(rx.into()).unwrap();
        let consumer = peeker.consumer();
        (tx, peeker, consumer)
    }

    #[test]
    fn what_was_peeked_at_stays_until_it_is_consumed() {
        let (tx, mut peeker, consumer) = pair();
        for text in ["one", "two", "three"] {
            tx.send(text.as_bytes()).unwrap();
        }
        let (seen, batch) = look(&mut peeker);
        assert_eq!(seen, [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
        assert!(look(&mut peeker).0.is_empty(), "nothing new");
        tx.send(b"four").unwrap();
        let (seen, next) = look(&mut peeker);
        assert_eq!(seen, [b"four".to_vec()], "seen while the others still wait");
        consumer.consume(&batch).unwrap();
        tx.send(b"five").unwrap();
        assert_eq!(look(&mut peeker).0, [b"five".to_vec()]);
        peeker.restart().unwrap();
        assert_eq!(look(&mut peeker).0, [b"four".to_vec(), b"five".to_vec()]);
        consumer.consume(&next).unwrap();
        peeker.restart().unwrap();
        assert_eq!(look(&mut peeker).0, [b"five".to_vec()]);
    }

    #[test]
    fn empty_datagrams_cost_nothing_else() {
        let (tx, mut peeker, consumer) = pair();
        tx.send(b"").unwrap();
        tx.send(b"a").unwrap();
        look(&mut peeker);
        peeker.restart().unwrap(); // the kernel now skips the empty one when peeking
        tx.send(b"b").unwrap();
        let (seen, batch) = look(&mut peeker);
        assert!(seen.ends_with(&[b"a".to_vec(), b"b".to_vec()]));
        consumer.consume(&batch).unwrap();
        peeker.restart().unwrap();
        assert!(look(&mut peeker).0.is_empty());
    }

    #[test]
    fn too_long_a_datagram_is_noticed_and_the_next_one_is_whole() {
        let (tx, mut peeker, consumer) = pair();
        tx.send(&vec![b'x'; MAX_DATAGRAM]).unwrap();
        tx.send(&vec![b'y'; MAX_DATAGRAM + 5]).unwrap();
        tx.send(b"after").unwrap();
        let mut truncated = Vec::new();
        let each = |one: Peeked<'_>| truncated.push(one.truncated);
        assert_eq!(peeker.peek(each).unwrap(), 2);
        assert_eq!(truncated, [false, true]);
        assert!(peeker.is_stuck() && look(&mut peeker).0.is_empty());
        consumer.consume(&[false, false]).unwrap();
        peeker.restart().unwrap();
        assert_eq!(look(&mut peeker).0, [b"after".to_vec()]);
    }

    #[test]
    fn the_kernel_names_the_sender() {
        let (tx, mut peeker, _) = pair();
        let before = SystemTime::now();
        tx.send(b"x").unwrap();
        let mut arrival = None;
        peeker.peek(|one| arrival = Some(one.arrival)).unwrap();
        let arrival = arrival.unwrap();
        let sender = arrival.sender.unwrap();
        assert_eq!(sender.uid, rustix::process::getuid().as_raw());
        assert_eq!(sender.pid, std::process::id() as i32);
        assert!(
            matches!(arrival.sent, Sent::At(time) if before <= time && time <= SystemTime::now())
        );
    }
}
