//! A notifyd on its stage, driven as Cyrus' master drives it (master/master.c,
//! master/service.c): status pipe on descriptor 3, bound socket on 4, /dev/null on 0, 1, 2,
//! user cyrus, `CYRUS_SERVICE` and `CYRUS_ID`. The socket is ours and outlives the daemon,
//! so that a successor can be started on it.
//!
//! Rust's standard library cannot place descriptors in a child without `unsafe`; a shell
//! can. It also makes the mount namespace in which /dev is the stage's own directory.

use super::note::{Note, note};
use super::recorder::{Recorder, Run};
use super::setup::{Program, Setup, at};
use super::syslog::{Record, Syslog};
use super::{LIMIT, show, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A message to master on the status pipe (master/service.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Available,
    Unavailable,
    Connection,
    ConnectionMulti,
    Other(i32),
}

impl From<i32> for Status {
    fn from(number: i32) -> Status {
        match number {
            1 => Status::Available,
            2 => Status::Unavailable,
            3 => Status::Connection,
            4 => Status::ConnectionMulti,
            other => Status::Other(other),
        }
    }
}

/// Stage and daemon. Dropping it ends every process it has started.
pub struct Notifyd {
    pub log: Syslog,
    pub sendmail: Recorder,
    pub external: Recorder,
    setup: Setup,
    socket: OwnedFd,
    status_reader: PipeReader,
    status_writer: PipeWriter,
    status_bytes: Vec<u8>,
    children: Vec<Child>,
    fences: usize,
    tmp: TempDir,
}

/// Descriptors first, then the namespace, then the user. $1: unshare's options, $2: the stage, $3: the program, $4…: its arguments.
const PLACE: &str = r#"exec 3>&1 4<&0 </dev/null >/dev/null; flags=$1; shift; exec unshare "$flags" -- bash -ec "$STAGE_ENTER" bash "$@""#;
/// A program outside of /usr may lie where cyrus cannot go: it is bound into the stage.
const ENTER: &str = r#"dir=$1 exe=$2; shift 2
if [ -n "$STAGE_NET" ]; then ip link set lo up; fi
case $exe in /usr/*) ;; *) mount --bind "$exe" "$dir/prog/notifyd"; exe=$dir/prog/notifyd;; esac
if [ -n "$STAGE_SPOOL" ]; then
    mkdir -p "$dir/conf/notifyd"; mount -t tmpfs -o "size=$STAGE_SPOOL,mode=700" spool "$dir/conf/notifyd"; chown cyrus:mail "$dir/conf/notifyd"
fi
mount --rbind /dev "$dir/dev/.real"; mount --rbind "$dir/dev" /dev
last=$STAGE_LAST; unset STAGE_ENTER STAGE_NET STAGE_SPOOL STAGE_LAST SHLVL OLDPWD
exec setpriv --reuid cyrus --regid mail --init-groups bash -c "$last" bash "$exe" "$@""#;
/// What this process has inherited must not reach the daemon; master hands over 0 to 4 and no more.
const LAST: &str = r#"for fd in /proc/self/fd/*; do fd=${fd##*/}; if [ "$fd" -gt 4 ]; then eval "exec $fd>&-"; fi; done; unset fd SHLVL
filter=$STAGE_FILTER; unset STAGE_FILTER; exec 2>/dev/null; exec $filter "$@""#;

impl Notifyd {
    /// The default stage, with the daemon started.
    pub fn start() -> Notifyd {
        Setup::new().start()
    }

    pub(super) fn new(
        tmp: TempDir,
        setup: Setup,
        log: Syslog,
        sendmail: Recorder,
        external: Recorder,
    ) -> Notifyd {
        let path = tmp.path().join("notify");
        let socket: OwnedFd = if setup.stream {
            UnixListener::bind(&path).expect("bind").into()
        } else {
            UnixDatagram::bind(&path).expect("bind").into()
        };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).expect("chmod");
        if let Some(bytes) = setup.receive_buffer {
            rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, bytes)
                .expect("SO_RCVBUFFORCE");
        }
        let (status_reader, status_writer) = std::io::pipe().expect("pipe");
        rustix::io::ioctl_fionbio(&status_reader, true).expect("non-blocking");
        let (status_bytes, children) = (Vec::new(), Vec::new());
        Notifyd {
            log,
            sendmail,
            external,
            setup,
            socket,
            status_reader,
            status_writer,
            status_bytes,
            children,
            fences: 0,
            tmp,
        }
    }

    /// The socket that the daemons inherit.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// The stage's directory.
    pub fn dir(&self) -> &Path {
        self.tmp.path()
    }
    /// A path below the stage's directory.
    pub fn path(&self, below: &str) -> PathBuf {
        self.dir().join(below)
    }

    /// Starts a daemon (a successor, when there was one before) on the same socket.
    pub fn spawn(&mut self) -> u32 {
        let dir = self.tmp.path();
        let errors = std::fs::File::create(dir.join("launch.err")).expect("launch.err");
        let mut command = Command::new("bash");
        command.args([
            "-c",
            PLACE,
            "bash",
            if self.setup.own_network { "-mn" } else { "-m" },
        ]);
        command.arg(dir).arg(self.setup.program.path());
        if !self.setup.own_conf_argument {
            command.arg("-C").arg(dir.join("imapd.conf"));
        }
        command.args(self.setup.args.iter().map(|a| at(a, dir)));
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CYRUS_SERVICE", "notify")
            .env("CYRUS_ID", "0");
        command
            .env("STAGE_ENTER", ENTER)
            .env("STAGE_LAST", LAST)
            .env("STAGE_NET", if self.setup.own_network { "1" } else { "" })
            .env(
                "STAGE_SPOOL",
                self.setup
                    .spool_size
                    .map_or(String::new(), |size| size.to_string()),
            );
        command.envs(self.setup.env.iter().map(|(k, v)| (k, at(v, dir))));
        command.current_dir(dir.join("conf")).stderr(errors);
        command
            .stdin(self.socket.try_clone().expect("dup"))
            .stdout(self.status_writer.try_clone().expect("dup"));
        self.children.push(command.spawn().expect("bash"));
        self.pid()
    }

    /// Process id of the daemon started last.
    pub fn pid(&self) -> u32 {
        self.children.last().expect("a daemon was started").id()
    }
    /// The folder of its spool as the last daemon sees it, its own mounts included.
    pub fn spool(&self) -> PathBuf {
        let inside = self.path("conf/notifyd");
        let inside = inside.strip_prefix("/").expect("an absolute path");
        Path::new("/proc")
            .join(self.pid().to_string())
            .join("root")
            .join(inside)
    }
    /// Waits until the last process is the daemon itself and no longer what places it on the stage.
    pub fn wait_exec(&self) {
        let comm = format!("/proc/{}/comm", self.pid());
        wait_for("the daemon's exec", LIMIT, || {
            (std::fs::read_to_string(&comm).ok()?.trim() == "notifyd").then_some(())
        });
    }
    /// Waits until signals have a handler in the daemon (it would just die of them before).
    pub fn wait_ready(&self) {
        self.wait_exec();
        let status = format!("/proc/{}/status", self.pid());
        wait_for("signal handlers", LIMIT, || {
            let text = std::fs::read_to_string(&status).ok()?;
            let caught = text.lines().find_map(|l| l.strip_prefix("SigCgt:"))?;
            let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
            // They are installed one after the other.
            [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM]
                .iter()
                .all(|signal| caught & (1 << (signal.as_raw() - 1)) != 0)
                .then_some(())
        });
    }
    /// Waits until the daemon's main thread sleeps: a daemon that has logged is not yet back in its receive call.
    pub fn wait_asleep(&self) {
        let stat = format!("/proc/{}/stat", self.pid());
        wait_for("the daemon's sleep", LIMIT, || {
            std::fs::read_to_string(&stat)
                .ok()?
                .rsplit_once(") ")?
                .1
                .starts_with('S')
                .then_some(())
        });
    }
    /// Sends a signal to the daemon started last.
    pub fn signal(&self, signal: Signal) {
        self.signal_to(self.pid(), signal);
    }
    /// Sends a signal to one of the daemons started, which must not have been waited for yet.
    pub fn signal_to(&self, pid: u32, signal: Signal) {
        let pid = Pid::from_raw(pid.cast_signed()).expect("pid");
        kill_process(pid, signal).expect("kill");
    }
    fn child(&mut self, pid: u32) -> &mut Child {
        self.children
            .iter_mut()
            .find(|c| c.id() == pid)
            .expect("a process of this stage")
    }
    /// True while the daemon started last lives.
    pub fn running(&mut self) -> bool {
        self.running_of(self.pid())
    }
    /// True while one of the daemons started lives.
    pub fn running_of(&mut self, pid: u32) -> bool {
        self.child(pid).try_wait().expect("wait").is_none()
    }
    /// Waits for the end of the daemon started last.
    pub fn wait_exit(&mut self) -> ExitStatus {
        self.wait_exit_of(self.pid(), LIMIT)
    }
    /// Waits for the end of one of the daemons started.
    pub fn wait_exit_of(&mut self, pid: u32, limit: Duration) -> ExitStatus {
        let child = self.child(pid);
        wait_for("the daemon's exit", limit, || {
            child.try_wait().expect("wait")
        })
    }

    /// Sends a datagram, as Cyrus' notify() does: a fresh socket each, blocking (with a limit of 5 s).
    pub fn send(&self, datagram: &[u8]) {
        self.try_send(datagram)
            .unwrap_or_else(|e| panic!("sending {}: {e}", show(datagram)));
    }
    pub fn try_send(&self, datagram: &[u8]) -> std::io::Result<usize> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(Duration::from_secs(5)))?;
        // A send with a time limit may end with EINTR where one without would be restarted.
        loop {
            match socket.send_to(datagram, self.path("notify")) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
    /// Sends a notification.
    pub fn notify(&self, note: &Note) {
        self.send(&note.bytes());
    }
    /// One dlist conversation: connects, sends, reads the answer up to the end of file.
    pub fn converse(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(self.path("notify"))?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(request)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// The messages on the status pipe so far, with the process ids in them.
    pub fn status(&mut self) -> Vec<(Status, u32)> {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = self.status_reader.read(&mut buffer) {
            self.status_bytes.extend_from_slice(&buffer[..n]);
        }
        let int = |bytes: &[u8]| i32::from_ne_bytes(bytes.try_into().expect("4 bytes"));
        self.status_bytes
            .chunks_exact(8)
            .map(|m| (int(&m[..4]).into(), int(&m[4..]).cast_unsigned()))
            .collect()
    }
    /// Waits until `count` messages have come on the status pipe.
    pub fn wait_status(&mut self, count: usize) -> Vec<(Status, u32)> {
        wait_for(&format!("{count} status messages"), LIMIT, || {
            Some(self.status()).filter(|s| s.len() >= count)
        })
    }

    /// Closes our end of the status pipe, as a master that has died.
    pub fn close_status(&mut self) {
        (self.status_reader, _) = std::io::pipe().expect("pipe");
    }

    /// Sends a log notification and waits for its record: what was sent before has been read by then.
    pub fn fence_log(&mut self) {
        self.fences += 1;
        let text = format!("FENCE, , , ,  \"{}\"", self.fences);
        self.notify(&note("log").class("FENCE").message(self.fences.to_string()));
        self.log.wait(&text, |r| r.text == text.as_bytes());
    }
    /// The same with a mail; gives the other runs of sendmail.
    pub fn fence_mailto(&mut self) -> Vec<Run> {
        self.fences += 1;
        let address = format!("fence-{}@fence.test", self.fences).into_bytes();
        self.notify(
            &note("mailto")
                .class("FENCE")
                .option(&address)
                .message("fence"),
        );
        self.sendmail
            .wait("the fence", |run| run.argv.last() == Some(&address));
        self.mails()
    }
    /// The same with the external program; gives its other runs.
    pub fn fence_external(&mut self) -> Vec<Run> {
        self.fences += 1;
        let user = self.fences.to_string().into_bytes();
        self.notify(&note("external").class("FENCE").user(&user).message("fence"));
        self.external.wait("the fence", |run| {
            run.argv.get(2).is_some_and(|c| c == b"FENCE") && run.argv.get(6) == Some(&user)
        });
        self.externals()
    }
    /// Runs of sendmail without the fences.
    pub fn mails(&self) -> Vec<Run> {
        let fence = |run: &Run| run.argv.last().is_some_and(|a| a.ends_with(b"@fence.test"));
        self.sendmail
            .runs()
            .into_iter()
            .filter(|run| !fence(run))
            .collect()
    }
    /// Runs of the external program without the fences.
    pub fn externals(&self) -> Vec<Run> {
        self.external
            .runs()
            .into_iter()
            .filter(|run| run.argv.get(2).is_none_or(|c| c != b"FENCE"))
            .collect()
    }
    /// Log records without the fences.
    pub fn records(&self) -> Vec<Record> {
        self.log
            .records()
            .into_iter()
            .filter(|r| !r.text.starts_with(b"FENCE, "))
            .collect()
    }

    /// Sends a mailto notification and gives the run it leads to, the only one so far.
    pub fn mail(&self, note: &Note) -> Run {
        let before = self.sendmail.runs().len();
        self.notify(note);
        self.sendmail.wait_count(before + 1).swap_remove(before)
    }
    /// Sends a notification for the external program and gives the run it leads to.
    pub fn run_external(&self, note: &Note) -> Run {
        let before = self.external.runs().len();
        self.notify(note);
        self.external.wait_count(before + 1).swap_remove(before)
    }
    /// Sends a notification and waits for the record `text` at mail.info, byte for byte.
    pub fn logs(&self, note: &Note, text: impl AsRef<[u8]>) -> Record {
        self.notify(note);
        self.log.wait(&show(text.as_ref()), |r| {
            r.pri == 22 && r.text == text.as_ref()
        })
    }

    /// What the stage has seen, for a test that failed.
    pub fn report(&mut self) -> String {
        let mut text = format!(
            "--- stage {} ({:?})\n",
            self.dir().display(),
            self.setup.program
        );
        text += &std::fs::read_to_string(self.path("launch.err")).unwrap_or_default();
        for child in &mut self.children {
            text += &format!("process {}: {:?}\n", child.id(), child.try_wait());
        }
        text += &format!("status pipe: {:?}\n", self.status());
        for record in self.log.raw() {
            text += &format!("syslog: {}\n", show(&record));
        }
        for (name, recorder) in [("sendmail", &self.sendmail), ("external", &self.external)] {
            text += &format!("{name}: {} runs begun\n", recorder.started().len());
            for run in recorder.runs() {
                let argv: Vec<String> = run.argv.iter().map(|a| show(a)).collect();
                text += &format!("{name}: {argv:?}\n  stdin: {}\n", show(&run.stdin));
            }
        }
        text
    }
}

impl Drop for Notifyd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.report());
        }
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
