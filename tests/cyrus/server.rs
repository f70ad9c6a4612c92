//! A private Cyrus: [`Setup`] says what it shall look like, [`Server`] is it, running.

use super::stage::{LIMIT, Program, Record, Recorder, Signal, Syslog, show, wait_for};
use rustix::process::{Pid, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tempfile::TempDir;

/// How notifications come: the socket's type and the wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Datagram,
    Dlist,
}

/// A Cyrus in the making.
pub(super) struct Setup {
    form: Form,
    prefork: u32,
    program: Program,
    conf: Vec<(String, String)>,
    calalarmd: bool,
    alone: bool,
}

/// Held while a Cyrus runs: shared, or by one that wants the machine for itself.
static MACHINE: RwLock<()> = RwLock::new(());

/// Kept for its end only.
enum Share {
    #[allow(dead_code, reason = "held")]
    Shared(RwLockReadGuard<'static, ()>),
    #[allow(dead_code, reason = "held")]
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Setup {
    pub(super) fn new(form: Form) -> Setup {
        Setup {
            form,
            prefork: 1,
            program: Program::Ours,
            conf: Vec::new(),
            calalarmd: false,
            alone: false,
        }
    }
    /// Starts this notifyd instead of ours.
    pub(super) fn program(mut self, program: Program) -> Setup {
        self.program = program;
        self
    }
    /// `prefork=` of the notify service.
    pub(super) fn prefork(mut self, prefork: u32) -> Setup {
        self.prefork = prefork;
        self
    }
    /// Adds a key to imapd.conf.
    pub(super) fn conf(mut self, key: &str, value: &str) -> Setup {
        self.conf.push((key.to_owned(), value.to_owned()));
        self
    }
    /// Starts calalarmd as well.
    pub(super) fn calalarmd(mut self) -> Setup {
        self.calalarmd = true;
        self
    }

    /// Lets no other test run at the same time: what it looks at is a race of processes, or a time.
    pub(super) fn alone(mut self) -> Setup {
        self.alone = true;
        self
    }

    /// Starts master, and waits until imapd answers.
    pub(super) fn start(self) -> Server {
        // A test that failed has left nothing behind that others would have to fear.
        let share = if self.alone {
            Share::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner))
        } else {
            Share::Shared(MACHINE.read().unwrap_or_else(PoisonError::into_inner))
        };
        assert!(
            rustix::process::geteuid().is_root(),
            "needs root: run tests/run"
        );
        let tmp = tempfile::Builder::new()
            .prefix("notifyd-cyrus.")
            .tempdir()
            .expect("temporary directory");
        let dir = tmp.path();
        furnish(dir);
        std::fs::write(dir.join("imapd.conf"), self.imapd_conf(dir)).expect("write imapd.conf");
        std::fs::write(dir.join("cyrus.conf"), self.cyrus_conf(dir)).expect("write cyrus.conf");
        for user in ["cyrus", "alice", "bob"] {
            password(dir, user);
        }
        let mut log = Syslog::new(&dir.join("dev/log"));
        log.open();
        let (sendmail, external) = (
            Recorder::install(&dir.join("prog/sendmail")),
            Recorder::install(&dir.join("prog/external")),
        );
        let master = launch(dir);
        let network = wait_for("master's start", LIMIT, || {
            dir.join("master.pid")
                .exists()
                .then(|| File::open(format!("/proc/{}/ns/net", master.id())))
        });
        let server = Server {
            log,
            sendmail,
            external,
            form: self.form,
            network: network.expect("the network namespace"),
            master,
            tmp,
            _share: share,
        };
        wait_for("imapd's socket", LIMIT, || server.connect(1143).ok());
        let mut admin = server.imap("cyrus");
        admin.command("CREATE user/alice");
        admin.command("CREATE user/bob");
        server
    }

    fn imapd_conf(&self, dir: &Path) -> String {
        let notify = match self.form {
            Form::Datagram => "{dir}/sockets/notify",
            Form::Dlist => "dlist:{dir}/sockets/notify",
        };
        let mut text = format!("{IMAPD_CONF}notifysocket: {notify}\n");
        for (key, value) in &self.conf {
            text += &format!("{key}: {value}\n");
        }
        text.replace("{dir}", dir.to_str().expect("UTF-8 path"))
    }

    fn cyrus_conf(&self, dir: &Path) -> String {
        let exe = match self.program {
            Program::Ours => "{dir}/prog/notifyd",
            Program::Stock => Program::Stock.path(),
        };
        let proto = match self.form {
            Form::Datagram => "proto=\"udp\" ",
            Form::Dlist => "",
        };
        let daemon = if self.calalarmd {
            "calalarmd cmd=\"calalarmd -C {dir}/imapd.conf\""
        } else {
            ""
        };
        CYRUS_CONF
            .replace("{notifyd}", exe)
            .replace("{proto}", proto)
            .replace("{prefork}", &self.prefork.to_string())
            .replace("{daemon}", daemon)
            .replace("{dir}", dir.to_str().expect("UTF-8 path"))
    }
}

const IMAPD_CONF: &str = "\
configdirectory: {dir}/conf
partition-default: {dir}/spool
defaultpartition: default
sievedir: {dir}/sieve
proc_path: {dir}/conf/proc
mboxname_lockpath: {dir}/conf/lock
temp_path: {dir}/tmp
admins: cyrus
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {dir}/sasldb2
sasl_mech_list: PLAIN LOGIN
virtdomains: off
loginrealms: cyr.test
servername: cyr.test
altnamespace: yes
unixhierarchysep: yes
lmtpsocket: {dir}/sockets/lmtp
idlesocket: {dir}/sockets/idle
httpmodules: caldav
duplicatesuppression: no
calendar_user_address_set: cyr.test
caldav_realm: cyr.test
syslog_prefix: cyr
sendmail: {dir}/prog/sendmail
notify_external: {dir}/prog/external
sievenotifier: mailto
";

const CYRUS_CONF: &str = "\
START {
  recover cmd=\"ctl_cyrusdb -C {dir}/imapd.conf -r\"
}
SERVICES {
  imap cmd=\"imapd -C {dir}/imapd.conf\" listen=\"127.0.0.1:1143\" prefork=0
  http cmd=\"httpd -C {dir}/imapd.conf\" listen=\"127.0.0.1:8080\" prefork=0
  sieve cmd=\"timsieved -C {dir}/imapd.conf\" listen=\"127.0.0.1:4190\" prefork=0
  lmtpunix cmd=\"lmtpd -C {dir}/imapd.conf -a\" listen=\"{dir}/sockets/lmtp\" prefork=0
  notify cmd=\"{notifyd} -C {dir}/imapd.conf\" listen=\"{dir}/sockets/notify\" {proto}prefork={prefork}
}
EVENTS {
}
DAEMON {
  {daemon}
}
";

/// Directories as master and its services want them.
fn furnish(dir: &Path) {
    std::fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).expect("chmod");
    let user = nix::unistd::User::from_name("cyrus")
        .expect("passwd")
        .expect("user cyrus: run tests/run");
    let conf = [
        "db", "proc", "log", "lock", "msg", "user", "quota", "socket", "ptclient",
    ]
    .map(|d| format!("conf/{d}"));
    let others = [
        "sockets",
        "spool",
        "sieve",
        "tmp",
        "prog",
        "dev",
        "dev/.real",
    ]
    .map(str::to_owned);
    for below in ["conf".to_owned()].iter().chain(&conf).chain(&others) {
        let path = dir.join(below);
        std::fs::create_dir(&path).expect("mkdir");
        chown(&path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("chown");
    }
    std::fs::write(dir.join("prog/notifyd"), "").expect("mount point");
    for name in [
        "null", "zero", "full", "random", "urandom", "tty", "fd", "ptmx", "pts", "shm",
    ] {
        symlink(format!(".real/{name}"), dir.join("dev").join(name)).expect("symlink");
    }
}

/// The password is the user's name.
fn password(dir: &Path, user: &str) {
    use std::io::Write as _;
    let file = dir.join("sasldb2");
    let mut child = Command::new("saslpasswd2")
        .args(["-p", "-c", "-u", "cyr.test", "-f"])
        .args([&file, Path::new(user)])
        .stdin(Stdio::piped())
        .spawn()
        .expect("saslpasswd2");
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(user.as_bytes())
        .expect("write the password");
    assert!(
        child.wait().expect("saslpasswd2").success(),
        "no password for {user}"
    );
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("chmod");
}

/// Enters the namespaces and becomes master. What this process has inherited must not reach it.
const ENTER: &str = r#"dir=$1 exe=$2
ip link set lo up
mount --bind "$exe" "$dir/prog/notifyd"
mount --rbind /dev "$dir/dev/.real"; mount --rbind "$dir/dev" /dev
for fd in /proc/self/fd/*; do fd=${fd##*/}; if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi; done
cd "$dir"; ulimit -c 0
exec setsid /usr/lib/cyrus/bin/master -C "$dir/imapd.conf" -M "$dir/cyrus.conf" -p "$dir/master.pid""#;

fn launch(dir: &Path) -> Child {
    let errors = File::create(dir.join("launch.err")).expect("launch.err");
    Command::new("unshare")
        .args(["-mn", "--", "bash", "-ec", ENTER, "bash"])
        .args([dir, Path::new(Program::Ours.path())])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(errors.try_clone().expect("dup"))
        .stderr(errors)
        .spawn()
        .expect("unshare")
}

/// A running Cyrus. Dropping it ends every process in its network namespace.
pub(super) struct Server {
    pub(super) log: Syslog,
    pub(super) sendmail: Recorder,
    pub(super) external: Recorder,
    pub(super) form: Form,
    network: File,
    master: Child,
    tmp: TempDir,
    _share: Share,
}

impl Server {
    /// A path below its directory.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.tmp.path().join(below)
    }

    /// Runs `work` with its sockets made in the server's network.
    pub(super) fn in_network<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("setns");
                work()
            });
            inside.join().expect("a thread in the server's network")
        })
    }

    /// Sends master a signal.
    pub(super) fn signal(&self, signal: Signal) {
        kill(self.master.id(), signal);
    }

    /// Tells master to shut down, and waits for its end.
    pub(super) fn stop(&mut self) {
        self.signal(Signal::TERM);
        // A signal that comes just before its sleep it hears only after it.
        self.processes()
            .iter()
            .filter(|(_, name)| name == "calalarmd")
            .for_each(|(pid, _)| kill(*pid, Signal::KILL));
        wait_for("master's end", LIMIT, || {
            self.master.try_wait().expect("wait")
        });
        assert_eq!(self.notifyds(), [0; 0], "a notifyd that outlives master");
    }

    /// Processes of this Cyrus that live, with their names.
    fn processes(&self) -> Vec<(u32, String)> {
        let ours = self.network.metadata().expect("namespace").ino();
        let alive = |pid: u32| -> Option<(u32, String)> {
            let inode = std::fs::metadata(format!("/proc/{pid}/ns/net")).ok()?.ino();
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (name, state) = stat.split_once('(')?.1.rsplit_once(") ")?;
            (inode == ours && !state.starts_with(['Z', 'X'])).then(|| (pid, name.to_owned()))
        };
        let entries = std::fs::read_dir("/proc").expect("/proc");
        entries
            .filter_map(|entry| alive(entry.ok()?.file_name().to_str()?.parse().ok()?))
            .collect()
    }

    /// Process ids of the notifyds that live.
    pub(super) fn notifyds(&self) -> Vec<u32> {
        self.processes()
            .into_iter()
            .filter(|(_, name)| name == "notifyd")
            .map(|(pid, _)| pid)
            .collect()
    }

    /// Process ids of those that hold the lock of the spool: who reads the socket and delivers.
    pub(super) fn readers(&self) -> Vec<u32> {
        self.lock_lines()
            .into_iter()
            .filter(|(waits, _)| !waits)
            .map(|(_, pid)| pid)
            .collect()
    }

    /// Process ids of those that wait for it.
    pub(super) fn waiting(&self) -> Vec<u32> {
        self.lock_lines()
            .into_iter()
            .filter(|(waits, _)| *waits)
            .map(|(_, pid)| pid)
            .collect()
    }

    /// Lines of /proc/locks about our lock, like `3: -> FLOCK  ADVISORY  WRITE 77 fe:01:1234 0 EOF`.
    fn lock_lines(&self) -> Vec<(bool, u32)> {
        let Ok(meta) = std::fs::metadata(self.path("conf/notifyd/lock")) else {
            return Vec::new();
        };
        let inode = format!(":{}", meta.ino());
        let locks = std::fs::read_to_string("/proc/locks").expect("/proc/locks");
        let words = |line: &str| -> Option<(bool, u32)> {
            let words: Vec<&str> = line
                .split_whitespace()
                .filter(|word| *word != "->")
                .collect();
            (words.get(1) == Some(&"FLOCK") && words.get(5)?.ends_with(&inode))
                .then(|| Some((line.contains("->"), words.get(4)?.parse().ok()?)))?
        };
        locks.lines().filter_map(words).collect()
    }

    /// Waits until `count` notifyds live, just one of them reads, and all catch signals; the process id of the one
    /// that reads.
    pub(super) fn wait_notifyds(&self, count: usize) -> u32 {
        self.wait_successor(count, 0)
    }

    /// The same; and the one that reads shall be another than `before`.
    pub(super) fn wait_successor(&self, count: usize, before: u32) -> u32 {
        wait_for(
            &format!("{count} notifyds, one of them reading, not {before}"),
            LIMIT,
            || {
                let (all, readers) = (self.notifyds(), self.readers());
                let settled = all.len() == count && all.iter().all(|pid| catches(*pid));
                let [reader] = readers[..] else { return None };
                (settled && all.contains(&reader) && reader != before).then_some(reader)
            },
        )
    }

    /// Counts deliveries in the spool's file, with a condition on its columns.
    pub(super) fn owed(&self, condition: &str) -> usize {
        use rusqlite::{Connection, OpenFlags};
        let file = self.path("conf/notifyd/spool.db");
        let spool =
            Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the spool");
        spool.busy_timeout(LIMIT).expect("time limit");
        let sql = format!("SELECT count(*) FROM delivery WHERE {condition}");
        let count: i64 = spool.query_row(&sql, [], |row| row.get(0)).expect("count");
        usize::try_from(count).expect("a count")
    }

    /// Panics when master has complained of the notify service; `forgiven` are parts of complaints that belong to the
    /// test. What it has to complain of in Cyrus' own services is not ours: imapd dies of a SIGHUP that comes while it starts.
    pub(super) fn assert_master_content(&self, forgiven: &[&str]) {
        const BAD: [&str; 4] = [
            "too many failures",
            "terminated abnormally",
            "signaled to death",
            "exited, status",
        ];
        let complaint = |record: &&Record| {
            let bad = record.severity() <= 4 || BAD.iter().any(|bad| record.has(bad));
            record.ident == "cyr/master" && bad && record.has("notify")
        };
        let records = self.log.records();
        let complaints: Vec<String> = records
            .iter()
            .filter(complaint)
            .filter(|record| !forgiven.iter().any(|part| record.has(part)))
            .map(|record| show(&record.text))
            .collect();
        assert_eq!(complaints, [""; 0], "master complains");
    }

    /// What the server has seen, for a test that failed.
    fn report(&self) -> String {
        let mut text = format!("--- {:?}\n{:?}\n", self.tmp.path(), self.processes());
        text += &std::fs::read_to_string(self.path("launch.err")).unwrap_or_default();
        let raw = self.log.raw();
        for record in &raw[raw.len().saturating_sub(150)..] {
            text += &format!("syslog: {}\n", show(record));
        }
        for (name, recorder) in [("sendmail", &self.sendmail), ("external", &self.external)] {
            text += &format!(
                "{name}: {} runs begun, {} ended\n",
                recorder.started().len(),
                recorder.runs().len()
            );
        }
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.report());
        }
        // Master first, or it would start others.
        let _ = self.master.kill();
        let _ = self.master.wait();
        // What is alone in this network was started by it.
        wait_for("the end of its processes", LIMIT, || {
            let left = self.processes();
            left.iter().for_each(|(pid, _)| kill(*pid, Signal::KILL));
            left.is_empty().then_some(())
        });
    }
}

/// True when the process has a handler for SIGHUP. Before that it would die of one, as every program that has just been started.
pub(super) fn catches(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let bits = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    bits & (1 << (Signal::HUP.as_raw() - 1)) != 0
}

/// Sends a signal to a process, which may be gone by now.
pub(super) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("pid");
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("kill: {error}"),
    }
}
