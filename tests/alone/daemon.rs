//! [`Alone`]: a folder with a configuration and stand-ins for sendmail and the external program, and daemons in it.

use super::stage::{LIMIT, Note, Signal, note, show, wait_for};
use rustix::process::{Pid, geteuid, kill_process};
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// Writes `NAME ARGUMENT…` and its standard input to a file of its own in `out`; waits while there is a file `hang`.
const STAND_IN: &str = r#"#!/bin/sh
cd "${0%/*}/.." || exit 1
touch "out/begun.$$"
while [ -e hang ]; do sleep 0.02; done
{ echo "${0##*/} $*"; cat; } >"out/.$$" && mv "out/.$$" "out/$$"
"#;

/// The folder, and the daemons that were started in it. Dropping it ends them.
pub(crate) struct Alone {
    tmp: TempDir,
    children: Vec<Child>,
}

impl Alone {
    /// A folder; no daemon yet.
    pub(crate) fn new() -> Alone {
        let tmp = tempfile::Builder::new()
            .prefix("notifyd-alone.")
            .tempdir()
            .unwrap();
        let alone = Alone {
            tmp,
            children: Vec::new(),
        };
        fs::set_permissions(alone.tmp.path(), PermissionsExt::from_mode(0o755)).unwrap();
        for folder in ["conf", "out", "prog", "run"] {
            fs::create_dir(alone.path(folder)).unwrap();
            give_away(&alone.path(folder));
        }
        fs::write(alone.path("log"), "").unwrap();
        for name in ["sendmail", "other-sendmail", "external"] {
            alone.install(name);
        }
        alone.configure("imapd.conf", &[]);
        alone
    }

    /// A folder with a running daemon.
    pub(crate) fn start() -> Alone {
        let mut alone = Alone::new();
        alone.spawn_ready();
        alone
    }

    /// A path below the folder.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.tmp.path().join(below)
    }

    /// A process of its own writes the program: a descriptor of ours that is open for writing could slip into another
    /// test's child, and make the program "busy" for exec.
    fn install(&self, name: &str) {
        let source = self.path("stand-in");
        fs::write(&source, STAND_IN).unwrap();
        let mut install = Command::new("install");
        install
            .args(["-m", "755"])
            .arg(source)
            .arg(self.path("prog").join(name));
        assert!(install.status().unwrap().success());
    }

    /// Writes a configuration: the usual keys, but for those in `changes`. An empty value leaves a key out.
    pub(crate) fn configure(&self, file: &str, changes: &[(&str, &str)]) {
        let dir = self.tmp.path().to_str().unwrap();
        let mut keys = vec![
            ("configdirectory", "{dir}/conf"),
            ("cyrus_user", "nobody"),
            ("notifysocket", "{dir}/run/notify"),
            ("sendmail", "{dir}/prog/sendmail"),
            ("notify_external", "{dir}/prog/external"),
            ("servername", "alone.test"),
        ];
        keys.retain(|(key, _)| changes.iter().all(|(changed, _)| changed != key));
        keys.extend(changes);
        let lines = keys
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("{key}: {value}\n"));
        let text: String = lines.collect();
        fs::write(self.path(file), text.replace("{dir}", dir)).unwrap();
    }

    /// The command that starts a daemon with these arguments and without anything of Cyrus or systemd in its environment.
    /// What it says on standard error goes to the log that [`Alone::log`] reads.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notifyd"));
        self.prepare(&mut command);
        command.args(args);
        command
    }

    /// The same started by a shell, which runs `before` first. The daemon's standard input stays the shell's.
    pub(crate) fn by_shell(&self, before: &str) -> Command {
        let mut command = Command::new("sh");
        self.prepare(&mut command);
        command
            .args(["-c", &format!("{before}; exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_notifyd"))
            .args(["-X", "-C"])
            .arg(self.path("imapd.conf"));
        command
    }

    fn prepare(&self, command: &mut Command) {
        let log = File::options().append(true).open(self.path("log")).unwrap();
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.tmp.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
    }

    /// Starts a daemon.
    pub(crate) fn spawn(&mut self) -> u32 {
        self.spawn_with("imapd.conf")
    }
    /// Starts a daemon with another configuration.
    pub(crate) fn spawn_with(&mut self, file: &str) -> u32 {
        let conf = self.path(file);
        let command = self.command(&["-X", "-C", conf.to_str().unwrap()]);
        self.spawn_command(command)
    }
    /// Starts a daemon and waits until it reads.
    pub(crate) fn spawn_ready(&mut self) -> u32 {
        let before = self.count(": started: ");
        let pid = self.spawn();
        self.wait_count(": started: ", before + 1);
        pid
    }
    pub(crate) fn spawn_command(&mut self, mut command: Command) -> u32 {
        self.children.push(command.spawn().unwrap());
        self.pid()
    }

    /// Runs the daemon with these arguments to its end: exit code, standard output, standard error.
    pub(crate) fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // What it says fits into a pipe.
        wait_for("the daemon's exit", LIMIT, || child.try_wait().unwrap());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Process id of the daemon that was started last.
    pub(crate) fn pid(&self) -> u32 {
        self.children.last().unwrap().id()
    }
    pub(crate) fn signal(&self, signal: Signal) {
        self.signal_to(self.pid(), signal);
    }
    pub(crate) fn signal_to(&self, pid: u32, signal: Signal) {
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    }
    pub(crate) fn running(&mut self) -> bool {
        self.children
            .last_mut()
            .unwrap()
            .try_wait()
            .unwrap()
            .is_none()
    }
    /// Waits for the end of the daemon that was started last.
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        self.wait_exit_of(self.pid())
    }
    pub(crate) fn wait_exit_of(&mut self, pid: u32) -> ExitStatus {
        let child = self.children.iter_mut().find(|c| c.id() == pid).unwrap();
        wait_for("the daemon's exit", LIMIT, || child.try_wait().unwrap())
    }

    /// What the daemons said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
    /// How many lines of it hold `part`.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(part))
            .count()
    }
    /// Waits until a line holds `part`.
    pub(crate) fn wait_line(&self, part: &str) {
        self.wait_count(part, 1);
    }
    pub(crate) fn wait_count(&self, part: &str, count: usize) {
        wait_for(&format!("{count} lines with '{part}'"), LIMIT, || {
            (self.count(part) >= count).then_some(())
        });
    }

    /// Sends a datagram to the socket `run/NAME`, as Cyrus does.
    pub(crate) fn send_to(&self, name: &str, note: &Note) {
        let socket = UnixDatagram::unbound().unwrap();
        socket.set_write_timeout(Some(LIMIT)).unwrap();
        socket
            .send_to(&note.bytes(), self.path("run").join(name))
            .unwrap();
    }
    pub(crate) fn send(&self, note: &Note) {
        self.send_to("notify", note);
    }

    /// Tells the stand-ins to wait, or to go on.
    pub(crate) fn hang(&self, on: bool) {
        if on {
            fs::write(self.path("hang"), "").unwrap();
        } else {
            fs::remove_file(self.path("hang")).unwrap();
        }
    }
    /// Waits until so many runs have begun.
    pub(crate) fn wait_begun(&self, count: usize) {
        wait_for("runs to begin", LIMIT, || {
            (self.out(true).len() >= count).then_some(())
        });
    }
    /// What the stand-ins wrote down, in no order.
    pub(crate) fn runs(&self) -> Vec<String> {
        let read = |path: &PathBuf| show(&fs::read(path).unwrap());
        self.out(false).iter().map(read).collect()
    }
    /// Waits until some run wrote down all of `parts`.
    pub(crate) fn wait_run(&self, parts: &[&str]) {
        wait_for(&format!("a run with {parts:?}"), LIMIT, || {
            self.runs()
                .iter()
                .any(|run| parts.iter().all(|part| run.contains(part)))
                .then_some(())
        });
    }
    /// How many runs wrote down `part`.
    pub(crate) fn count_runs(&self, part: &str) -> usize {
        self.runs().iter().filter(|run| run.contains(part)).count()
    }

    fn out(&self, begun: bool) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("out")).unwrap();
        let names = entries.map(|entry| entry.unwrap().path());
        let wanted = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            !name.starts_with('.') && name.starts_with("begun.") == begun
        };
        names.filter(wanted).collect()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log\n{}--- runs\n{:#?}", self.log(), self.runs());
        }
        let _ = fs::remove_file(self.path("hang"));
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The daemon that root starts writes here as nobody.
pub(crate) fn give_away(path: &Path) {
    if geteuid().is_root() {
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
        chown(path, Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    }
}

/// A mail to `NAME@example.org`.
pub(crate) fn mail(name: &str) -> Note {
    note("mailto")
        .class("TEST")
        .option(format!("{name}@example.org"))
        .message("text")
}

/// A run of the external program with this user.
pub(crate) fn external(user: &str) -> Note {
    note("external").class("TEST").user(user).message("text")
}
