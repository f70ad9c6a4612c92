//! Who takes part: a daemon (ours or stock's) on the test suite's stage, or the discarding receiver on
//! a socket of the same kind. The programs that the daemon runs, and syslogd, cost as little as can be.

use crate::senders::Bare;
use crate::stage::{Notifyd, Program, Setup};
use crate::table::Who;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::net::{RecvFlags, recv};
use std::any::Any;
use std::fs::{File, Permissions};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What sendmail and the external program do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Delivery {
    /// They end at once.
    Quick,
    /// They take so many seconds.
    Takes(f64),
    /// They hang as long as the scene lasts.
    Hangs,
}

/// A daemon on a stage that costs little.
pub(crate) struct Scene {
    pub(crate) daemon: Notifyd,
    pub(crate) syslogd: Syslogd,
    /// Programs that hang wait for this to be closed.
    _gate: File,
}

impl Scene {
    /// Sets it; the daemon is not started yet.
    pub(crate) fn set(setup: Setup, delivery: Delivery) -> Scene {
        let setup = setup
            .no_devlog()
            .conf("sendmail", "{dir}/prog/deliver")
            .conf("notify_external", "{dir}/prog/deliver");
        let daemon = setup.build();
        let gate = daemon.path("prog/gate");
        mknodat(CWD, &gate, FileType::Fifo, Mode::from_raw_mode(0o644), 0).expect("mkfifo");
        let open = File::options().read(true).write(true).open(&gate);
        let text = match delivery {
            // A program that does not read kills the stock daemon by SIGPIPE.
            Delivery::Quick => "exec cat >/dev/null".to_owned(),
            Delivery::Takes(seconds) => format!("cat >/dev/null; exec sleep {seconds}"),
            Delivery::Hangs => format!("exec cat - {} >/dev/null", gate.display()),
        };
        let program = daemon.path("prog/deliver");
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).expect("write the program");
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("chmod");
        std::fs::write(
            daemon.path("prog/full.toml"),
            "[spool]\nsynchronous = \"full\"\n",
        )
        .expect("write notifyd.toml");
        Scene {
            syslogd: Syslogd::open(&daemon.path("dev/log")),
            daemon,
            _gate: open.expect("open the gate"),
        }
    }

    /// Sets it and starts the daemon.
    pub(crate) fn start(who: Who, delivery: Delivery) -> Scene {
        let mut scene = Scene::set(setup(who), delivery);
        scene.daemon.spawn();
        scene.daemon.wait_ready();
        scene
    }
}

/// Counts syncs (a byte each in a file) and makes them take longer. SQLite and Rust's standard library call
/// them by these names.
const SLOW_SYNC: &str = r#"#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
static int slow(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int count = open(getenv("SYNC_COUNT"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (count >= 0 && write(count, "s", 1) == 1) close(count);
    usleep((useconds_t)atoi(getenv("SYNC_MICROSECONDS")));
    return real(fd);
}
int fsync(int fd) { return slow("fsync", fd); }
int fdatasync(int fd) { return slow("fdatasync", fd); }
"#;

/// Ours, on a disk that needs so much longer for each sync.
pub(crate) fn start_on_disk(setup: Setup, slower: Duration) -> Scene {
    let setup = setup
        .env("LD_PRELOAD", "{dir}/prog/slow.so")
        .env("SYNC_COUNT", "{dir}/conf/syncs")
        .env("SYNC_MICROSECONDS", &slower.as_micros().to_string());
    let mut scene = Scene::set(setup, Delivery::Hangs);
    let source = scene.daemon.path("prog/slow.c");
    std::fs::write(&source, SLOW_SYNC).expect("write slow.c");
    let compiled = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .args([&scene.daemon.path("prog/slow.so"), &source])
        .status();
    assert!(compiled.expect("a C compiler").success());
    scene.daemon.spawn();
    scene.daemon.wait_ready();
    scene
}

/// How often a daemon on such a disk has synced.
pub(crate) fn syncs(scene: &Scene) -> u64 {
    std::fs::metadata(scene.daemon.path("conf/syncs")).map_or(0, |file| file.len())
}

/// Ours, with each commit on the platter before Cyrus goes on.
pub(crate) fn full(setup: Setup) -> Setup {
    setup.conf("notifyd_config", "{dir}/prog/full.toml")
}

/// The stage's setup for a daemon.
pub(crate) fn setup(who: Who) -> Setup {
    Setup::new().program(match who {
        Who::Stock => Program::Stock,
        _ => Program::Ours,
    })
}

/// Whoever reads from the socket.
pub(crate) struct Receiver {
    socket: PathBuf,
    _reader: Box<dyn Any>,
}

impl Receiver {
    /// Starts a daemon.
    pub(crate) fn start(who: Who, delivery: Delivery) -> Receiver {
        let scene = Scene::start(who, delivery);
        Receiver {
            socket: scene.daemon.path("notify"),
            _reader: Box::new(scene),
        }
    }

    /// Starts one that does nothing but receive, or hand on to syslogd as well.
    pub(crate) fn bare(who: Who, logs: bool) -> Receiver {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bind");
        let syslogd = Syslogd::open(&dir.path().join("log"));
        let log = dir.path().join(if logs { "log" } else { "" });
        let reader = Bare::start(socket.into(), who == Who::Peek, &log);
        Receiver {
            socket: path,
            _reader: Box::new((reader, syslogd, dir)),
        }
    }

    /// Where to send to.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

/// A syslogd that counts records and throws them away.
pub(crate) struct Syslogd {
    socket: UnixDatagram,
    records: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Syslogd {
    fn open(path: &Path) -> Syslogd {
        let socket = UnixDatagram::bind(path).expect("bind log socket");
        std::fs::set_permissions(path, Permissions::from_mode(0o666)).expect("chmod");
        let reading = socket.try_clone().expect("dup");
        let records = Arc::new(AtomicU64::new(0));
        let counter = records.clone();
        let thread = std::thread::spawn(move || {
            // Nothing is copied. An end of file is what shutdown makes of it.
            while let Ok((_, 1..)) = recv(&reading, &mut [0u8; 0], RecvFlags::TRUNC) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Syslogd {
            socket,
            records,
            thread: Some(thread),
        }
    }
}

impl Syslogd {
    /// Records so far.
    pub(crate) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }
}

impl Drop for Syslogd {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
