//! A private Cyrus that runs: its processes, its log, its spool, its end.

use super::holders::at_lock;
use super::setup::Form;
use super::stage::{LIMIT, Record, Recorder, Signal, Syslog, show, wait_for};
use rustix::process::{Pid, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tempfile::TempDir;

/// Held while a Cyrus runs: shared, or by one that wants the machine for itself.
static MACHINE: RwLock<()> = RwLock::new(());

/// Kept for its end only.
pub(super) enum Share {
    #[allow(dead_code, reason = "held")]
    Shared(RwLockReadGuard<'static, ()>),
    #[allow(dead_code, reason = "held")]
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Share {
    /// Waits for those that must not run now. A test that failed has left nothing behind that others would have to fear.
    pub(super) fn take(alone: bool) -> Share {
        if alone {
            Share::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner))
        } else {
            Share::Shared(MACHINE.read().unwrap_or_else(PoisonError::into_inner))
        }
    }
}

/// A running Cyrus. Dropping it ends every process in its network namespace.
pub(super) struct Server {
    pub(super) log: Syslog,
    pub(super) sendmail: Recorder,
    pub(super) external: Recorder,
    pub(super) form: Form,
    pub(super) network: File,
    pub(super) master: Child,
    pub(super) tmp: TempDir,
    pub(super) _share: Share,
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
        // What is sent after notifyd has ended makes master spin in its shutdown, and calalarmd may be at it. Besides, a
        // signal that comes just before its sleep it hears only after it.
        let calalarmds = self
            .processes()
            .into_iter()
            .filter(|(_, name)| name == "calalarmd");
        let calalarmds: Vec<u32> = calalarmds.map(|(pid, _)| pid).collect();
        calalarmds.iter().for_each(|pid| kill(*pid, Signal::STOP));
        self.signal(Signal::TERM);
        calalarmds.iter().for_each(|pid| kill(*pid, Signal::KILL));
        wait_for("master's end", LIMIT, || {
            self.master.try_wait().expect("wait")
        });
        assert_eq!(self.notifyds(), [0; 0], "a notifyd that outlives master");
    }

    /// Processes of this Cyrus that live, with their names.
    pub(super) fn processes(&self) -> Vec<(u32, String)> {
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
        at_lock(&self.lock())
            .into_iter()
            .filter(|(waits, _)| !waits)
            .map(|(_, pid)| pid)
            .collect()
    }

    /// Process ids of those that wait for it.
    pub(super) fn waiting(&self) -> Vec<u32> {
        at_lock(&self.lock())
            .into_iter()
            .filter(|(waits, _)| *waits)
            .map(|(_, pid)| pid)
            .collect()
    }

    /// The lock of the spool.
    pub(super) fn lock(&self) -> PathBuf {
        self.path("conf/notifyd/lock")
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
    // SIGUSR1 is the last that we catch: by then SIGHUP is not only caught, but kept for whoever handles it.
    [Signal::HUP, Signal::USR1]
        .iter()
        .all(|signal| bits & (1 << (signal.as_raw() - 1)) != 0)
}

/// Sends a signal to a process, which may be gone by now.
pub(super) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("pid");
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("kill: {error}"),
    }
}
