//! What `check` knows before it judges: the files as Cyrus reads them, and the machine as it is.

use super::Spot;
use super::secrets::SecretFile;
use crate::config::cyrus_conf::{CyrusConf, Entry, Section};
use crate::config::{NotifySocket, Place, Settings};
use crate::mail::template::Wrong;
use crate::system::syslog::printable;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where Debian's master looks for a program that is not given as a path.
const LIBEXEC: &str = "/usr/lib/cyrus/bin";

/// Everything that the rules look at.
pub(super) struct Facts {
    /// imapd.conf's name.
    pub(super) imapd_file: String,
    /// imapd.conf as the daemon reads it.
    pub(super) settings: Settings,
    /// What Cyrus 3.6.1 would say of imapd.conf, when it would refuse it.
    pub(super) refused: Option<String>,
    /// cyrus.conf's name.
    pub(super) cyrus_file: String,
    /// cyrus.conf as master reads it, or why not.
    pub(super) cyrus: Result<CyrusConf, NoCyrusConf>,
    /// What is at the paths that the files name as programs.
    pub(super) programs: BTreeMap<PathBuf, Program>,
    /// What is wrong with templates of mails.
    pub(super) bad_templates: Vec<Wrong>,
    /// The folder of `notifysocket`; `None` when there is none.
    pub(super) socket_folder: Option<Folder>,
    /// The types of the sockets that are open at the path of `notifysocket`.
    pub(super) open_sockets: Vec<Type>,
    /// The spool's folder; `None` when there is none yet.
    pub(super) spool_folder: Option<Folder>,
    /// The disk that it is on, or will be.
    pub(super) disk: Option<Disk>,
    /// The uid of the Cyrus user; `None` when there is no such user.
    pub(super) cyrus_uid: Option<u32>,
    /// The groups of the Cyrus user.
    pub(super) cyrus_groups: Vec<u32>,
    /// Files that hold secrets.
    pub(super) secret_files: Vec<SecretFile>,
    /// net.core.wmem_default: how large the kernel's buffer of a new socket is.
    pub(super) wmem_default: Option<u64>,
    /// Now, in seconds since 1970.
    pub(super) now: i64,
    /// When this program was built or installed, in seconds since 1970.
    pub(super) built: Option<i64>,
    /// When the newest delivery in the spool was received, in seconds since 1970.
    pub(super) newest: Option<i64>,
}

/// Why there is no cyrus.conf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoCyrusConf {
    /// It cannot be read.
    Unreadable(String),
    /// Master ends with this.
    Refused(String),
}

/// What is at the path of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    /// A file, and no folder or socket.
    pub(super) file: bool,
    /// The Cyrus user may run it.
    pub(super) runs: bool,
    /// It is our notifyd; `None` when it cannot be read.
    pub(super) ours: Option<bool>,
}

/// A folder's owner and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) uid: u32,
    pub(super) mode: u32,
}

/// A socket's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Datagram,
    Stream,
}

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// Its type, as statfs(2) has it.
    pub(super) magic: u64,
    /// The bytes that are free for the Cyrus user.
    pub(super) free: u64,
}

impl Facts {
    /// The services that are notify daemons, or have notifysocket: by program or by socket.
    pub(super) fn services(&self) -> Vec<&Entry> {
        let Ok(conf) = &self.cyrus else {
            return Vec::new();
        };
        let path = self.socket_path().as_os_str().as_bytes();
        let is_notifyd = |entry: &&Entry| {
            let program = program(entry);
            program.is_some_and(|program| program.file_name().is_some_and(|name| name == "notifyd"))
                || entry.get("listen") == Some(path)
        };
        conf.section(Section::Services).filter(is_notifyd).collect()
    }

    /// Where senders send to.
    pub(super) fn socket_path(&self) -> &Path {
        match &self.settings.notifysocket {
            NotifySocket::Datagram(path) | NotifySocket::Dlist(path) => path,
        }
    }

    /// Whether senders speak dlist.
    pub(super) fn dlist(&self) -> bool {
        matches!(self.settings.notifysocket, NotifySocket::Dlist(_))
    }

    /// The place of an option in imapd.conf, or the file when it is not set.
    pub(super) fn option(&self, name: &str) -> Spot {
        match self.settings.conf().place(name) {
            Some(Place { file, line }) => Spot {
                file: printable(file, 1000),
                line: *line,
            },
            None => Spot {
                file: self.imapd_file.clone(),
                line: 0,
            },
        }
    }

    /// Whether imapd.conf sets the option.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.settings.conf().place(name).is_some()
    }

    /// The place of an entry of cyrus.conf.
    pub(super) fn entry(&self, entry: &Entry) -> Spot {
        Spot {
            file: self.cyrus_file.clone(),
            line: entry.line,
        }
    }

    /// cyrus.conf itself.
    pub(super) fn cyrus_conf(&self) -> Spot {
        Spot {
            file: self.cyrus_file.clone(),
            line: 0,
        }
    }
}

/// The program of an entry, where master looks for it.
pub(super) fn program(entry: &Entry) -> Option<PathBuf> {
    let name = Path::new(std::ffi::OsStr::from_bytes(entry.command().first()?));
    // Joining an absolute path gives that path.
    Some(Path::new(LIBEXEC).join(name))
}

/// A text of the configuration, fit for a message.
pub(super) fn shown(bytes: &[u8]) -> String {
    printable(bytes, 300)
}
