//! A syslogd for one stage: a datagram socket `log` in the directory that the daemon sees
//! as /dev. Records are kept as the bytes they came in (RFC 3164: `<pri>time ident[pid]: text`).

use super::{LIMIT, show, wait_for};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// One record as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Facility times 8 plus severity.
    pub pri: u8,
    /// What stands before `[pid]: `.
    pub ident: String,
    pub pid: u32,
    /// What follows `ident[pid]: `, raw.
    pub text: Vec<u8>,
    /// All of it.
    pub raw: Vec<u8>,
}

impl Record {
    /// Takes a record apart; `None` when it hasn't RFC 3164's shape.
    pub fn parse(raw: &[u8]) -> Option<Record> {
        let close = raw.iter().position(|b| *b == b'>')?;
        let pri = str::from_utf8(raw.get(1..close)?).ok()?.parse().ok()?;
        let stamp = raw.get(close + 1..close + 17)?;
        if raw[0] != b'<' || stamp[3] != b' ' || stamp[15] != b' ' {
            return None;
        }
        let rest = &raw[close + 17..];
        let colon = rest.windows(3).position(|w| w == b"]: ")?;
        let (ident, pid) = str::from_utf8(&rest[..colon]).ok()?.split_once('[')?;
        let text = rest[colon + 3..].to_vec();
        Some(Record {
            pri,
            ident: ident.to_owned(),
            pid: pid.parse().ok()?,
            text,
            raw: raw.to_vec(),
        })
    }
    /// Severity: 3 error, 4 warning, 5 notice, 6 info, 7 debug.
    pub fn severity(&self) -> u8 {
        self.pri & 7
    }
    /// True when the text holds `part`.
    pub fn has(&self, part: &str) -> bool {
        self.text
            .windows(part.len().max(1))
            .any(|w| w == part.as_bytes())
    }
}

/// The syslogd. Records stay readable after [`Syslog::close`].
pub struct Syslog {
    path: PathBuf,
    records: Arc<Mutex<Vec<Vec<u8>>>>,
    reader: Option<(UnixDatagram, JoinHandle<()>)>,
}

impl Syslog {
    /// A syslogd that will listen at `path`; not open yet.
    pub fn new(path: &Path) -> Syslog {
        Syslog {
            path: path.to_owned(),
            records: Arc::default(),
            reader: None,
        }
    }

    /// Binds the socket and begins to read.
    pub fn open(&mut self) {
        assert!(self.reader.is_none(), "the syslogd is open already");
        let socket = UnixDatagram::bind(&self.path).expect("bind log socket");
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 8 << 20)
            .expect("SO_RCVBUFFORCE");
        std::fs::set_permissions(&self.path, PermissionsExt::from_mode(0o666))
            .expect("chmod log socket");
        let (handle, records) = (socket.try_clone().expect("dup"), Arc::clone(&self.records));
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            // An end of file is what close() makes of an unconnected datagram socket.
            while let Ok(n @ 1..) = socket.recv(&mut buffer) {
                records.lock().expect("records").push(buffer[..n].to_vec());
            }
        });
        self.reader = Some((handle, reader));
    }

    /// Stops reading and removes the socket, as a syslogd that ends.
    pub fn close(&mut self) {
        if let Some((socket, reader)) = self.reader.take() {
            let _ = std::fs::remove_file(&self.path);
            let _ = socket.shutdown(Shutdown::Both);
            let _ = reader.join();
        }
    }

    /// All records so far, as bytes.
    pub fn raw(&self) -> Vec<Vec<u8>> {
        self.records.lock().expect("records").clone()
    }

    /// Forgets the records so far, for runs that are long.
    pub fn forget(&self) {
        self.records.lock().expect("records").clear();
    }

    /// How many records there are so far.
    pub fn count_all(&self) -> usize {
        self.records.lock().expect("records").len()
    }

    /// All records so far.
    pub fn records(&self) -> Vec<Record> {
        let parse = |raw: &Vec<u8>| {
            Record::parse(raw).unwrap_or_else(|| panic!("not a syslog record: {}", show(raw)))
        };
        self.raw().iter().map(parse).collect()
    }

    /// Waits for a record for which `wanted` holds, old ones included.
    pub fn wait(&self, what: &str, mut wanted: impl FnMut(&Record) -> bool) -> Record {
        wait_for(&format!("a log record: {what}"), LIMIT, || {
            self.records().into_iter().find(&mut wanted)
        })
    }

    /// How many records there are for which `wanted` holds.
    pub fn count(&self, wanted: impl FnMut(&&Record) -> bool) -> usize {
        self.records().iter().filter(wanted).count()
    }
}

impl Drop for Syslog {
    fn drop(&mut self) {
        self.close();
    }
}
