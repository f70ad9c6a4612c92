//! syslog by ourselves: RFC 3164 records to `/dev/log`, as libc's `syslog(3)` writes them.
//!
//! libc blocks when syslogd is stalled; we must not. A record that syslogd does not take at
//! once waits in a bounded backlog, which a thread of its own empties; what does not fit there
//! is refused to the caller ([`Syslog::record`]) or counted and reported later (log lines). What must not be
//! lost with our process is handed over or refused ([`Syslog::hand_over`]); it never waits in the backlog.
//! A missing or restarted syslogd is the same case: the socket is not connected, each record
//! finds the syslogd of its time.

mod printable;

pub use printable::{printable, printable_json};

use jiff::Zoned;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where syslogd listens.
pub const DEV_LOG: &str = "/dev/log";
/// How long a syslogd whose queue is full is waited for; a sender of notifications waits with us.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long one that did not take a record in that time is not asked again.
const STALLED: Duration = Duration::from_millis(200);
/// Bytes that may wait for syslogd.
const MAX_BACKLOG: usize = 4 << 20;
/// How long the backlog's thread waits before it tries a syslogd again that is not there.
const RETRY: Duration = Duration::from_millis(100);
/// Length at which a line of our own is cut, in bytes.
const MAX_LINE: usize = 2000;

/// Severity of a `log` method's record: `LOG_INFO`.
pub const INFO: u8 = 6;

/// Who we are in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `prefix/service`, or the service alone.
    pub ident: String,
    /// Facility's number, 2 = mail.
    pub facility: u8,
}

/// The way to syslogd. One for the process.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    socket: UnixDatagram,
    /// Connected to the syslogd of its time, and waits [`PATIENCE`] when its queue is full.
    patient: UnixDatagram,
    /// Until when a syslogd that stands still is left alone.
    stalled: Mutex<Option<Instant>>,
    header: Mutex<Header>,
    backlog: Mutex<Backlog>,
    filled: Condvar,
    dropped: AtomicU64,
    debug: AtomicBool,
    /// The least important lines that are logged when debug is off.
    level: Mutex<LevelFilter>,
    stderr: AtomicBool,
}

/// What each record begins with. The time is written anew each second only.
#[derive(Debug)]
struct Header {
    identity: Identity,
    pid: u32,
    second: u64,
    time: String,
}

impl Header {
    /// Begins a record.
    fn write(&mut self, severity: u8, record: &mut Vec<u8>) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let second = since.unwrap_or_default().as_secs();
        if second != self.second {
            self.time = Zoned::now().strftime("%b %e %H:%M:%S").to_string();
            self.second = second;
        }
        let Identity { ident, facility } = &self.identity;
        let priority = facility << 3 | severity;
        // Writing to a Vec cannot fail.
        let _ = write!(record, "<{priority}>{} {ident}[{}]: ", self.time, self.pid);
    }
}

#[derive(Debug, Default)]
struct Backlog {
    records: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// Whether a record was refused because no socket of that syslogd takes one of its size.
#[must_use]
pub fn is_too_large(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Syslog {
    /// Opens the way to the syslogd at `path` and starts the backlog's thread.
    ///
    /// # Errors
    /// When the system has no descriptor or thread left; a missing syslogd is none.
    pub fn open(path: &Path, identity: Identity) -> io::Result<Arc<Syslog>> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let patient = UnixDatagram::unbound()?;
        patient.set_write_timeout(Some(PATIENCE))?;
        let very_patient = UnixDatagram::unbound()?;
        very_patient.set_write_timeout(Some(Duration::from_secs(1)))?;
        let syslog = Arc::new(Syslog {
            path: path.to_owned(),
            socket,
            patient,
            stalled: Mutex::default(),
            header: Mutex::new(Header {
                identity,
                pid: std::process::id(),
                second: 0,
                time: String::new(),
            }),
            backlog: Mutex::default(),
            filled: Condvar::new(),
            dropped: AtomicU64::new(0),
            debug: AtomicBool::new(false),
            level: Mutex::new(LevelFilter::Info),
            stderr: AtomicBool::new(false),
        });
        let emptier = syslog.clone();
        super::thread("syslog", move || emptier.empty_backlog(&very_patient))?;
        Ok(syslog)
    }

    /// Makes it the target of the `log` crate's macros. Only the first call in a process has an effect.
    pub fn install(self: &Arc<Self>) {
        if log::set_boxed_logger(Box::new(Handle(self.clone()))).is_ok() {
            self.set_debug(false);
        }
    }

    /// Changes who we are.
    pub fn set_identity(&self, identity: Identity) {
        lock(&self.header).identity = identity;
    }

    /// Sends our own lines to standard error instead.
    pub fn set_stderr(&self, on: bool) {
        self.stderr.store(on, Ordering::Relaxed);
    }

    /// Whether they go there.
    pub fn stderr(&self) -> bool {
        self.stderr.load(Ordering::Relaxed)
    }

    /// Switches debug lines on or off.
    pub fn set_debug(&self, on: bool) {
        self.debug.store(on, Ordering::Relaxed);
        log::set_max_level(if on {
            LevelFilter::Debug
        } else {
            *lock(&self.level)
        });
    }

    /// Sets the least important lines that are logged, for when debug is off.
    pub fn set_level(&self, level: LevelFilter) {
        *lock(&self.level) = level.min(LevelFilter::Info);
        self.set_debug(self.debug());
    }

    /// Whether debug lines are on.
    pub fn debug(&self) -> bool {
        self.debug.load(Ordering::Relaxed)
    }

    /// Records that could not be kept for syslogd since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Sends one record, its text byte for byte as given. Returns false when syslogd does not
    /// take it and the backlog is full.
    pub fn record(&self, severity: u8, text: &[u8]) -> bool {
        let record = self.format(severity, text);
        let mut backlog = lock(&self.backlog);
        if backlog.records.is_empty() && self.socket.send_to(&record, &self.path).is_ok() {
            return true;
        }
        if backlog.bytes + record.len() > MAX_BACKLOG {
            return false;
        }
        backlog.bytes += record.len();
        backlog.records.push_back(record);
        self.filled.notify_one();
        true
    }

    /// Hands one record to syslogd, its text byte for byte as given. When this returns it is in syslogd's socket, and
    /// stays there whatever becomes of us.
    ///
    /// # Errors
    /// `WouldBlock` when syslogd stands still, others when there is none, or the record is larger than its socket takes.
    pub fn hand_over(&self, severity: u8, text: &[u8]) -> io::Result<()> {
        let record = self.format(severity, text);
        let mut stalled = lock(&self.stalled);
        if stalled.is_some_and(|until| Instant::now() < until) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        *stalled = None;
        let sent = self.patient.send(&record).or_else(|error| {
            if error.kind() == io::ErrorKind::WouldBlock || is_too_large(&error) {
                return Err(error);
            }
            // Not connected yet, or to one that has gone.
            self.patient.connect(&self.path)?;
            self.patient.send(&record)
        });
        if matches!(&sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            *stalled = Some(Instant::now() + STALLED);
        }
        sent.map(drop)
    }

    fn format(&self, severity: u8, text: &[u8]) -> Vec<u8> {
        let mut record = Vec::with_capacity(text.len() + 64);
        lock(&self.header).write(severity, &mut record);
        record.extend_from_slice(text);
        record
    }

    /// The backlog's thread: hands the oldest record to syslogd until it takes it.
    fn empty_backlog(&self, patient: &UnixDatagram) {
        loop {
            let record = {
                let mut backlog = lock(&self.backlog);
                while backlog.records.is_empty() {
                    backlog = self
                        .filled
                        .wait(backlog)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                backlog.records[0].clone()
            };
            match patient.send_to(&record, &self.path) {
                // Larger than syslogd's socket takes at all: it would block the rest for ever.
                Err(error) if is_too_large(&error) => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => {
                    std::thread::sleep(RETRY);
                    continue;
                }
                Ok(_) => {}
            }
            let mut backlog = lock(&self.backlog);
            backlog.bytes -= record.len();
            backlog.records.pop_front();
        }
    }

    /// Waits until the backlog is empty, at most `limit`.
    pub fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        while !lock(&self.backlog).records.is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn line(&self, level: Level, text: &str) {
        let clean = printable(text.as_bytes(), MAX_LINE);
        if self.stderr.load(Ordering::Relaxed) {
            let _ = writeln!(io::stderr(), "notifyd: {clean}"); // nobody is left to tell
            return;
        }
        let severity = match level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => INFO,
            Level::Debug | Level::Trace => 7,
        };
        if !self.record(severity, clean.as_bytes()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The `log` crate wants to own its logger.
struct Handle(Arc<Syslog>);

impl Log for Handle {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.line(record.level(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn identity() -> Identity {
        Identity {
            ident: "cyrus/notify".into(),
            facility: 2,
        }
    }

    fn receive(socket: &UnixDatagram) -> String {
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut buffer = vec![0; 1 << 16];
        let n = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..n].to_vec()).unwrap()
    }

    #[test]
    fn a_record_looks_like_libcs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let syslogd = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::open(&path, identity()).unwrap();
        assert!(syslog.record(INFO, b"a\nb"));
        let text = receive(&syslogd);
        let (head, rest) = text.split_at("<22>Nov 22 20:15:00 ".len());
        assert!(
            head.starts_with("<22>") && head.as_bytes()[7] == b' ' && head.as_bytes()[13] == b':',
            "{head}"
        );
        assert_eq!(rest, format!("cyrus/notify[{}]: a\nb", std::process::id()));
    }

    #[test]
    fn a_missing_syslogd_is_waited_for_and_a_new_one_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let syslog = Syslog::open(&path, identity()).unwrap();
        for n in 0..20 {
            assert!(syslog.record(INFO, format!("early {n}").as_bytes()));
        }
        let first = UnixDatagram::bind(&path).unwrap();
        for n in 0..20 {
            assert!(receive(&first).ends_with(&format!("early {n}")));
        }
        drop(first);
        std::fs::remove_file(&path).unwrap();
        assert!(syslog.record(INFO, b"between"));
        let second = UnixDatagram::bind(&path).unwrap();
        assert!(receive(&second).ends_with("between"));
    }

    #[test]
    fn a_stalled_syslogd_never_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let _syslogd = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::open(&path, identity()).unwrap();
        let text = vec![b'x'; 10_000];
        let mut taken = 0;
        while syslog.record(INFO, &text) {
            taken += 1;
            assert!(taken < 10_000, "the backlog has a bound");
        }
        assert!(taken > 100);
        let end = Instant::now() + Duration::from_secs(20);
        syslog.flush(Duration::from_millis(1));
        assert!(Instant::now() < end);
    }
}
