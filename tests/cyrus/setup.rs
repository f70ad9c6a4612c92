//! What a private Cyrus shall look like: its configuration files, users and namespaces.

use super::server::{Server, Share};
use super::stage::{LIMIT, Program, Recorder, Syslog, wait_for};
use std::fs::File;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

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
    users: Vec<String>,
    calalarmd: bool,
    alone: bool,
}

impl Setup {
    pub(super) fn new(form: Form) -> Setup {
        Setup {
            form,
            prefork: 1,
            program: Program::Ours,
            conf: Vec::new(),
            users: ["alice", "bob"].map(str::to_owned).to_vec(),
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
    /// Sets a key in imapd.conf, in place of what it is otherwise; `{dir}` stands for the server's directory.
    pub(super) fn conf(mut self, key: &str, value: &str) -> Setup {
        self.conf.push((key.to_owned(), value.to_owned()));
        self
    }
    /// A user besides alice and bob.
    #[allow(dead_code, reason = "tests/post has more users")]
    pub(super) fn user(mut self, name: &str) -> Setup {
        self.users.push(name.to_owned());
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
        let share = Share::take(self.alone);
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
        password(dir, "cyrus");
        self.users.iter().for_each(|user| password(dir, user));
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
        for user in &self.users {
            admin.command(&format!("CREATE user/{user}"));
        }
        server
    }

    fn imapd_conf(&self, dir: &Path) -> String {
        let notify = match self.form {
            Form::Datagram => "{dir}/sockets/notify",
            Form::Dlist => "dlist:{dir}/sockets/notify",
        };
        let given = self.conf.iter().map(|(key, value)| (&**key, &**value));
        let usual = IMAPD_CONF
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(key, _)| self.conf.iter().all(|(given, _)| given != key));
        let text: String = usual
            .chain(given)
            .chain([("notifysocket", notify)])
            .map(|(key, value)| format!("{key}: {value}\n"))
            .collect();
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
