//! The notify socket: adopted from Cyrus' master or systemd, or bound by ourselves; and the
//! reading of datagrams by peek-then-consume.
//!
//! `SO_PEEK_OFF` lets a reader peek at *successive* datagrams (`unix(7)`, `socket(7)`): the
//! queue can be decoded and committed to disk before anything leaves the kernel. The offset
//! belongs to the socket, which outlives the process: it is set to 0 at the start and to -1 when leaving.
//! The kernel moves it forth with each peek and back with each datagram that is taken. Peek-then-consume is only right with one reader; see [`super::lock`].

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SetSockOpt, UnixCredentials, recvmsg,
    sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;
use nix::{libc, setsockopt_impl, sockopt_impl};
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::fmt;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Largest datagram that is taken whole, in bytes; Cyrus' `NOTIFY_MAXSIZE` (`imap/notify.c`).
pub const MAX_DATAGRAM: usize = 65_536;

mod peek_off {
    #![allow(missing_docs)] // the macro makes a public unit struct
    use super::{libc, setsockopt_impl, sockopt_impl};
    sockopt_impl!(PeekOff, SetOnly, libc::SOL_SOCKET, libc::SO_PEEK_OFF, i32);
}

/// Takes over descriptor `fd`, which a parent process left open for us: a close-on-exec
/// duplicate is made and the inherited one closed, so that no child of ours gets it.
///
/// # Errors
/// When the descriptor is not open, or the kernel is older than Linux 5.6 (`pidfd_getfd(2)`).
pub fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    let myself = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    let copy = pidfd_getfd(&myself, fd, PidfdGetfdFlags::empty())?;
    nix::unistd::close(fd)?;
    Ok(copy)
}

/// Whether `socket` carries datagrams (true) or dlist connections (false).
///
/// # Errors
/// When it is no socket.
pub fn is_datagram(socket: impl AsFd) -> io::Result<bool> {
    Ok(net::sockopt::socket_type(socket)? == SocketType::DGRAM)
}

/// Binds the notify socket at `path`. A stale socket (nobody behind it) is replaced; a live one,
/// or a file that is no socket, is an error.
///
/// # Errors
/// `AddrInUse` when another process serves the socket; else what the system says.
pub fn bind(path: &Path, datagram: bool, mode: u32) -> io::Result<OwnedFd> {
    let kind = if datagram {
        SocketType::DGRAM
    } else {
        SocketType::STREAM
    };
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    remove_stale(path, &address)?;
    let socket = net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
    net::bind(&socket, &address)?;
    rustix::fs::chmod(path, Mode::from_raw_mode(mode))?;
    if !datagram {
        net::listen(&socket, 128)?;
    }
    Ok(socket)
}

fn remove_stale(path: &Path, address: &SocketAddrUnix) -> io::Result<()> {
    let stat = match rustix::fs::lstat(path) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "exists and is not a socket",
        ));
    }
    for kind in [SocketType::DGRAM, SocketType::STREAM] {
        let probe = net::socket_with(
            AddressFamily::UNIX,
            kind,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        match net::connect(&probe, address) {
            Err(Errno::CONNREFUSED | Errno::PROTOTYPE | Errno::NOENT) => {}
            Ok(()) | Err(Errno::AGAIN) => {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "another process serves it",
                ));
            }
            Err(other) => return Err(other.into()),
        }
    }
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// Who sent something, as the kernel says (`SCM_CREDENTIALS`, `SO_PEERCRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// User id of the sending process.
    pub uid: u32,
    /// Process id, in our pid namespace.
    pub pid: i32,
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid={} pid={}", self.uid, self.pid)
    }
}

/// The sender of a connected stream, as it was at `connect(2)`.
///
/// # Errors
/// When it is no connected Unix socket.
pub fn peer(socket: impl AsFd) -> io::Result<Sender> {
    let cred = net::sockopt::socket_peercred(socket)?;
    Ok(Sender {
        uid: cred.uid.as_raw(),
        pid: cred.pid.as_raw_nonzero().get(),
    })
}

/// When something was sent, and whether its sender has gone on since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The sender waits for our answer.
    Waits,
    /// It was queued at this time, and the sender went on.
    At(SystemTime),
    /// It was queued before the kernel was asked to note that.
    Unknown,
}

/// What the kernel says of something that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who sent it; `None` when `sendto(2)` was called before the kernel was asked to note that.
    pub sender: Option<Sender>,
    /// When.
    pub sent: Sent,
}

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
    buffer: Vec<u8>,
    /// Room for what the kernel says of a datagram.
    control: Vec<u8>,
    /// The offset stands inside a datagram: nothing can be seen until it is taken.
    stuck: bool,
}

/// The other half: takes what was peeked at. The two may be used at the same time, the kernel keeps them apart.
pub struct Consumer {
    socket: Arc<OwnedFd>,
}

fn arrival(parts: impl Iterator<Item = ControlMessageOwned>) -> Arrival {
    let mut arrival = Arrival {
        sender: None,
        sent: Sent::Unknown,
    };
    for part in parts {
        match part {
            // pid 0: sent before SO_PASSCRED was set, the kernel does not know.
            ControlMessageOwned::ScmCredentials(c) if c.pid() != 0 => {
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
        net::sockopt::set_socket_passcred(&socket, true)?;
        ReceiveTimestampns.set(&socket, &true)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        let mut peeker = Peeker {
            socket: Arc::new(socket),
            buffer: vec![0; MAX_DATAGRAM + 1],
            control: nix::cmsg_space!(UnixCredentials, TimeSpec),
            stuck: false,
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

    /// Whether the last datagram was so long that [`Peeker::restart`] must be called, after it is consumed.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// The next datagram, or `None` when no more are queued.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn peek(&mut self) -> io::Result<Option<Peeked<'_>>> {
        if self.stuck {
            return Ok(None);
        }
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let message = loop {
            match recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut slices,
                Some(&mut self.control),
                flags,
            ) {
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(nix::Error::EINTR) => {}
                other => break other?,
            }
        };
        let length = message.bytes;
        let cut = message.flags.contains(MsgFlags::MSG_TRUNC);
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
        // The offset now stands inside this datagram: a further peek would give its rest.
        self.stuck = cut;
        Ok(Some(Peeked {
            bytes: &self.buffer[..length.min(MAX_DATAGRAM)],
            truncated: cut || length > MAX_DATAGRAM,
            is_empty: length == 0,
            arrival,
        }))
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
        let mut rest = batch.iter().peekable();
        while let Some(is_empty) = rest.peek() {
            match net::recv(
                &self.socket,
                &mut [0u8; 0],
                RecvFlags::DONTWAIT | RecvFlags::TRUNC,
            ) {
                Ok((_, 0)) if !**is_empty => {}
                Ok(_) => {
                    rest.next();
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
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
        while let Some(one) = peeker.peek().unwrap() {
            all.push(one.bytes.to_vec());
            batch.push(one.is_empty);
        }
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
        assert!(!peeker.peek().unwrap().unwrap().truncated);
        assert!(peeker.peek().unwrap().unwrap().truncated);
        assert!(peeker.is_stuck() && peeker.peek().unwrap().is_none());
        consumer.consume(&[false, false]).unwrap();
        peeker.restart().unwrap();
        assert_eq!(look(&mut peeker).0, [b"after".to_vec()]);
    }

    #[test]
    fn the_kernel_names_the_sender() {
        let (tx, mut peeker, _) = pair();
        let before = SystemTime::now();
        tx.send(b"x").unwrap();
        let arrival = peeker.peek().unwrap().unwrap().arrival;
        let sender = arrival.sender.unwrap();
        assert_eq!(sender.uid, rustix::process::getuid().as_raw());
        assert_eq!(sender.pid, std::process::id() as i32);
        assert!(
            matches!(arrival.sent, Sent::At(time) if before <= time && time <= SystemTime::now())
        );
    }

    /// A program that another test starts may hold our socket for a moment, between fork and exec.
    fn bind_when_stale(path: &Path, datagram: bool) -> OwnedFd {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            match bind(path, datagram, 0o600) {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && std::time::Instant::now() < limit => {}
                other => return other.unwrap(),
            }
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        for datagram in [true, false] {
            let first = bind_when_stale(&path, datagram);
            assert_eq!(is_datagram(&first).unwrap(), datagram);
            assert_eq!(
                bind(&path, true, 0o600).unwrap_err().kind(),
                io::ErrorKind::AddrInUse
            );
            assert_eq!(
                bind(&path, false, 0o600).unwrap_err().kind(),
                io::ErrorKind::AddrInUse
            );
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        assert!(bind(&path, true, 0o600).is_err());
        assert!(path.exists());
    }
}
