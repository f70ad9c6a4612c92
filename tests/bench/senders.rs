//! Those who send, and the receivers that do nothing else: processes of their own, as Cyrus' are. The
//! benchmark runs itself again for each of them (see [`child`]).
//!
//! A child says `ready`, waits for a line, sends, and then prints one line of numbers: when it
//! began and ended (nanoseconds of the monotonic clock), and how long each message took.

use crate::stage::note;
use cyrus_notifyd::system::peek::{Peeked, Peeker};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, recv};
use rustix::time::{ClockId, clock_gettime};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a sender may live.
const LIMIT: Duration = Duration::from_secs(300);
/// How large a notification is, in bytes.
pub(crate) const SIZE: usize = 300;

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) socket: &'a Path,
    pub(crate) method: &'a str,
    pub(crate) senders: usize,
    /// Messages of all senders together.
    pub(crate) messages: usize,
    pub(crate) way: Way,
    /// A sender gives up when it has waited so long in all.
    pub(crate) patience: Option<Duration>,
}

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// One connected datagram socket for all.
    Kept,
    /// A datagram socket for each, as Cyrus does (`imap/notify.c`: socket, getsockopt, sendto, close).
    New,
    /// A dlist conversation for each; timed from the last byte to the answer.
    Dlist,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Kept => "kept",
            Way::New => "new",
            Way::Dlist => "dlist",
        }
    }
}

/// What became of it.
pub(crate) struct Sent {
    /// From the first message's beginning to the last one's end, in seconds.
    pub(crate) seconds: f64,
    /// How long each message took, in seconds, shortest first.
    pub(crate) each: Vec<f64>,
    /// What the sender that waited longest in all waited, in seconds.
    pub(crate) longest_stall: f64,
}

impl Sent {
    /// Messages a second.
    pub(crate) fn rate(&self) -> f64 {
        self.each.len() as f64 / self.seconds
    }
    /// What this part of the messages stayed under, in seconds.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let place = (self.each.len() as f64 * part).ceil() as usize;
        self.each[place.clamp(1, self.each.len()) - 1]
    }
    /// The longest, in seconds.
    pub(crate) fn longest(&self) -> f64 {
        self.each.last().copied().unwrap_or_default()
    }
}

/// Senders at work.
pub(crate) struct Senders(Vec<Child>);

impl Senders {
    /// Starts them; they send from now on.
    pub(crate) fn start(plan: &Plan<'_>) -> Senders {
        let mut children: Vec<Child> = (0..plan.senders).map(|_| plan.spawn()).collect();
        for child in &mut children {
            let mut ready = [0; 6];
            let output = child.stdout.as_mut().expect("piped");
            output.read_exact(&mut ready).expect("a sender's word");
        }
        for child in &mut children {
            let input = child.stdin.as_mut().expect("piped");
            input.write_all(b"go\n").expect("a sender's ear");
        }
        Senders(children)
    }

    /// Waits for their end.
    pub(crate) fn collect(self) -> Sent {
        let (mut begin, mut end) = (u64::MAX, 0);
        let (mut each, mut longest_stall) = (Vec::new(), 0.0f64);
        for mut child in self.0 {
            let mut line = String::new();
            let mut output = BufReader::new(child.stdout.take().expect("piped"));
            output.read_line(&mut line).expect("a sender's line");
            assert!(
                child.wait().expect("wait").success(),
                "a sender failed: see above"
            );
            let mut numbers = line
                .split_whitespace()
                .map(|n| n.parse::<u64>().expect("a number"));
            begin = begin.min(numbers.next().expect("begin"));
            end = end.max(numbers.next().expect("end"));
            let times: Vec<f64> = numbers.map(|n| n as f64 / 1e9).collect();
            longest_stall = longest_stall.max(times.iter().sum());
            each.extend(times);
        }
        each.sort_by(f64::total_cmp);
        Sent {
            seconds: (end - begin) as f64 / 1e9,
            each,
            longest_stall,
        }
    }
}

impl Plan<'_> {
    /// Sends all of it.
    pub(crate) fn run(&self) -> Sent {
        Senders::start(self).collect()
    }

    fn spawn(&self) -> Child {
        let patience = self
            .patience
            .map_or(0, |p| u64::try_from(p.as_millis()).expect("short"));
        let count = self.messages / self.senders;
        Command::new(std::env::current_exe().expect("our own path"))
            .args(["child-send", self.way.name(), self.method])
            .args([count.to_string(), patience.to_string()])
            .arg(self.socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a sender")
    }
}

/// A notification of [`SIZE`] bytes.
pub(crate) fn notification(method: &str) -> Vec<u8> {
    let mut blank = note(method).class("EVENT").user("alice").mailbox("INBOX");
    if method == "mailto" {
        blank = blank.class("SIEVE").option("alice@example.org");
    }
    let rest = SIZE - blank.bytes().len();
    blank.message("x".repeat(rest)).bytes()
}

fn conversation(method: &str) -> Vec<u8> {
    let text = "x".repeat(SIZE);
    format!(
        "NOTIFY %(METHOD {method} CLASS EVENT PRIORITY NIL USER alice MAILBOX INBOX OPTIONS () \
         MESSAGE {{{SIZE}+}}\r\n{text} FILEPATH NIL)\r\n"
    )
    .into_bytes()
}

/// A process that reads a socket and throws away, until it is dropped.
pub(crate) struct Bare(Child);

impl Bare {
    /// It reads `socket`: takes at once, or looks first; what it has looked at goes to `log`, if that is a socket.
    pub(crate) fn start(socket: OwnedFd, looks: bool, log: &Path) -> Bare {
        let child = Command::new(std::env::current_exe().expect("our own path"))
            .arg(if looks { "child-peek" } else { "child-discard" })
            .arg(log)
            .stdin(Stdio::from(socket))
            .spawn()
            .expect("a bare receiver");
        Bare(child)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What this process is to do when it was started as a child; false when it was not.
pub(crate) fn child(arguments: &[String]) -> bool {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["child-discard", _] => discard(),
        ["child-peek", log] => peek(Path::new(log)),
        ["child-send", way, method, count, patience, socket] => {
            std::thread::spawn(|| {
                std::thread::sleep(LIMIT);
                eprintln!("a sender waited for {LIMIT:?}: has the receiver died?");
                std::process::exit(1);
            });
            let count = count.parse().expect("a count");
            let patience = Duration::from_millis(patience.parse().expect("milliseconds"));
            let socket = Path::new(socket);
            match way {
                "kept" => send_kept(socket, &notification(method), count, patience),
                "new" => send_new(socket, &notification(method), count, patience),
                "dlist" => {
                    let bytes = conversation(method);
                    repeat(count, patience, || converse(socket, &bytes));
                }
                other => panic!("no way to send: {other}"),
            }
        }
        _ => return false,
    }
    true
}

fn send_kept(socket: &Path, bytes: &[u8], count: usize, patience: Duration) {
    let sender = UnixDatagram::unbound().expect("socket");
    sender.connect(socket).expect("connect");
    repeat(count, patience, || {
        timed(|| assert_eq!(sender.send(bytes).expect("send"), bytes.len()))
    });
}

fn send_new(socket: &Path, bytes: &[u8], count: usize, patience: Duration) {
    let limit = (!patience.is_zero()).then_some(patience);
    let once = || {
        let sender = UnixDatagram::unbound().expect("socket");
        rustix::net::sockopt::socket_send_buffer_size(&sender).expect("SO_SNDBUF");
        if limit.is_some() {
            sender.set_write_timeout(limit).expect("SO_SNDTIMEO");
        }
        match sender.send_to(bytes, socket) {
            Err(error) if limit.is_some() && error.kind() == ErrorKind::WouldBlock => {} // enough
            other => assert_eq!(other.expect("sendto"), bytes.len()),
        }
    };
    repeat(count, patience, || timed(once));
}

fn discard() {
    let socket = std::io::stdin();
    let socket = socket.as_fd();
    let mut buffer = vec![0u8; 65_536];
    loop {
        recv(socket, &mut buffer, RecvFlags::empty()).expect("recv");
    }
}

fn peek(log: &Path) {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("dup");
    let mut peeker = Peeker::new(socket).expect("a datagram socket");
    let consumer = peeker.consumer();
    let syslogd = UnixDatagram::unbound().expect("socket");
    let logs = syslogd.connect(log).is_ok();
    let mut batch = Vec::new();
    loop {
        let look = |datagram: Peeked<'_>| {
            batch.push(datagram.is_empty);
            if logs {
                syslogd.send(datagram.bytes).expect("syslogd");
            }
        };
        if peeker.peek(look).expect("peek") == 0 {
            let mut readable = [PollFd::new(&peeker, PollFlags::IN)];
            poll(&mut readable, None).expect("poll");
        }
        consumer.consume(&batch).expect("take");
        batch.clear();
    }
}

/// Nanoseconds of a clock that all processes share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Does it so often; it says how long it took.
fn repeat(count: usize, patience: Duration, mut once: impl FnMut() -> u64) {
    let mut out = std::io::stdout().lock();
    out.write_all(b"ready\n").expect("stdout");
    out.flush().expect("stdout");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("stdin");
    let begin = now();
    let (mut waited, mut times) = (0, Vec::with_capacity(count));
    let patience = u64::try_from(patience.as_nanos()).expect("short");
    while times.len() < count && (patience == 0 || waited < patience) {
        let took = once();
        times.push(took);
        waited += took;
    }
    let mut text = format!("{begin} {}", now());
    for time in times {
        text += &format!(" {time}");
    }
    writeln!(out, "{text}").expect("stdout");
}

/// How long it took, in nanoseconds.
fn timed(once: impl FnOnce()) -> u64 {
    let begin = now();
    once();
    now() - begin
}

/// One conversation; how long the answer took, in nanoseconds, from the last byte sent.
fn converse(socket: &Path, bytes: &[u8]) -> u64 {
    let mut stream = UnixStream::connect(socket).expect("connect");
    stream.write_all(bytes).expect("write");
    let sent = now();
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).expect("read");
    let took = now() - sent;
    assert!(
        answer[..length].starts_with(b"OK"),
        "{}",
        answer[..length].escape_ascii()
    );
    took
}
