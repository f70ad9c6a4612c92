//! What a stage shall look like before the daemon is started on it: [`Setup`].

use super::notifyd::Notifyd;
use super::ours;
use super::recorder::{self, Recorder};
use super::syslog::Syslog;
use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

/// Whose notifyd is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Ours,
    Stock,
}

impl Program {
    /// The one that `NOTIFYD_UNDER_TEST` names.
    pub fn under_test() -> Program {
        if ours() {
            Program::Ours
        } else {
            Program::Stock
        }
    }
    /// Where it is installed or built.
    pub fn path(self) -> &'static str {
        match self {
            Program::Ours => env!("CARGO_BIN_EXE_notifyd"),
            Program::Stock => "/usr/lib/cyrus/bin/notifyd",
        }
    }
}

/// A stage in the making. The default: datagram socket, syslogd, recording sendmail and
/// external program, `servername: cyr.test`, `syslog_prefix: cyr`.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(super) program: Program,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) stream: bool,
    pub(super) receive_buffer: Option<usize>,
    pub(super) own_network: bool,
    pub(super) spool_size: Option<u64>,
    pub(super) own_conf_argument: bool,
    conf: Vec<(String, String)>,
    devlog: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup::new()
    }
}

impl Setup {
    pub fn new() -> Setup {
        let keys = [
            ("configdirectory", "{dir}/conf"),
            ("defaultpartition", "default"),
            ("partition-default", "{dir}/spool"),
            ("proc_path", "{dir}/conf/proc"),
            ("servername", "cyr.test"),
            ("syslog_prefix", "cyr"),
            ("notifysocket", "{dir}/notify"),
            ("sendmail", "{dir}/prog/sendmail"),
            ("notify_external", "{dir}/prog/external"),
        ];
        Setup {
            program: Program::under_test(),
            args: Vec::new(),
            env: Vec::new(),
            stream: false,
            receive_buffer: None,
            own_network: false,
            spool_size: None,
            own_conf_argument: false,
            conf: keys.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec(),
            devlog: true,
        }
    }
    /// Takes this program, whatever is under test.
    pub fn program(mut self, program: Program) -> Setup {
        self.program = program;
        self
    }
    /// Sets a key in imapd.conf in place of its default; `{dir}` stands for the stage's directory.
    pub fn conf(mut self, key: &str, value: &str) -> Setup {
        self = self.without(key);
        self.conf.push((key.to_owned(), value.to_owned()));
        self
    }
    /// Adds a line to imapd.conf as it is, but for `{dir}`.
    pub fn line(mut self, line: &str) -> Setup {
        self.conf.push((String::new(), line.to_owned()));
        self
    }
    /// Leaves a key out of imapd.conf.
    pub fn without(mut self, key: &str) -> Setup {
        self.conf.retain(|(k, _)| k != key);
        self
    }
    /// Adds arguments behind `-C FILE`.
    pub fn args(mut self, args: &[&str]) -> Setup {
        self.args.extend(args.iter().map(|a| (*a).to_owned()));
        self
    }
    /// No `-C FILE`: [`Setup::args`] are all arguments; `{dir}` works in them.
    pub fn no_conf_argument(mut self) -> Setup {
        self.own_conf_argument = true;
        self
    }
    /// Adds to (or changes in) the daemon's environment; `{dir}` works in it.
    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }
    /// A listening stream socket (dlist) in place of a datagram socket.
    pub fn stream(mut self) -> Setup {
        self.stream = true;
        self
    }
    /// Receive buffer of the datagram socket, in bytes, as given to the kernel (which doubles it).
    pub fn receive_buffer(mut self, bytes: usize) -> Setup {
        self.receive_buffer = Some(bytes);
        self
    }
    /// Lets the kernel answer the system calls with the numbers `first` to `last` with this error (`filter.c`).
    pub fn refused(self, error: i32, first: u32, last: u32) -> Setup {
        self.env(
            "STAGE_FILTER",
            &format!("{{dir}}/prog/filter {error} {first} {last}"),
        )
    }
    /// No /dev/log at start; [`Syslog::open`] makes one.
    pub fn no_devlog(mut self) -> Setup {
        self.devlog = false;
        self
    }
    /// A network namespace of its own, with nothing in it but loopback.
    pub fn own_network(mut self) -> Setup {
        self.own_network = true;
        self
    }

    /// A file system of so many bytes for the spool. Each daemon of the stage has its own; see [`Notifyd::spool`].
    pub fn spool_size(mut self, bytes: u64) -> Setup {
        self.spool_size = Some(bytes);
        self
    }

    /// Builds the stage and starts the daemon on it.
    pub fn start(self) -> Notifyd {
        let mut stage = self.build();
        stage.spawn();
        stage
    }

    /// Builds the stage: directory, configuration, socket, syslogd. [`Notifyd::spawn`] starts the daemon.
    pub fn build(self) -> Notifyd {
        assert!(
            rustix::process::geteuid().is_root(),
            "needs root: run tests/run"
        );
        let tmp = tempfile::Builder::new()
            .prefix("notifyd-test.")
            .tempdir()
            .expect("temporary directory");
        let dir = tmp.path();
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).expect("chmod");
        for (name, private) in [
            ("conf", true),
            ("conf/socket", true),
            ("conf/db", true),
            ("spool", true),
            ("prog", false),
            ("dev", false),
            ("dev/.real", false),
        ] {
            directory(&dir.join(name), private);
        }
        for name in [
            "null", "zero", "full", "random", "urandom", "tty", "fd", "ptmx", "pts", "shm",
        ] {
            symlink(format!(".real/{name}"), dir.join("dev").join(name)).expect("symlink");
        }
        let (sendmail, external) = (
            Recorder::install(&dir.join("prog/sendmail")),
            Recorder::install(&dir.join("prog/external")),
        );
        if self.env.iter().any(|(name, _)| name == "STAGE_FILTER") {
            recorder::install(&recorder::compile("filter"), &dir.join("prog/filter"));
        }
        std::fs::write(dir.join("imapd.conf"), self.imapd_conf(dir)).expect("write imapd.conf");
        std::fs::set_permissions(dir.join("imapd.conf"), PermissionsExt::from_mode(0o644))
            .expect("chmod");
        std::fs::write(dir.join("prog/notifyd"), "").expect("mount point");
        // Without it the stock daemon's first record would be a complaint about it.
        std::fs::write(dir.join("conf/db/skipstamp"), 1u32.to_be_bytes()).expect("write skipstamp");
        let mut log = Syslog::new(&dir.join("dev/log"));
        if self.devlog {
            log.open();
        }
        Notifyd::new(tmp, self, log, sendmail, external)
    }

    fn imapd_conf(&self, dir: &Path) -> String {
        let mut text = String::new();
        for (key, value) in &self.conf {
            let colon = if key.is_empty() { "" } else { ": " };
            writeln!(text, "{key}{colon}{value}").expect("String");
        }
        at(&text, dir)
    }
}

/// `{dir}` replaced by the stage's directory.
pub(super) fn at(text: &str, dir: &Path) -> String {
    text.replace("{dir}", dir.to_str().expect("UTF-8 path"))
}

/// uid and gid of the user cyrus.
pub(super) fn cyrus() -> (u32, u32) {
    let user = nix::unistd::User::from_name("cyrus")
        .expect("passwd")
        .expect("user cyrus: run tests/run");
    (user.uid.as_raw(), user.gid.as_raw())
}

fn directory(path: &PathBuf, private: bool) {
    std::fs::create_dir_all(path).expect("mkdir");
    std::fs::set_permissions(
        path,
        PermissionsExt::from_mode(if private { 0o750 } else { 0o755 }),
    )
    .expect("chmod");
    let (uid, gid) = cyrus();
    chown(path, Some(uid), Some(gid)).expect("chown");
}
