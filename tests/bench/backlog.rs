//! What a backlog costs: memory, the time to start with it, and the time to work it off.

use crate::Options;
use crate::process::{memory, processor_time};
use crate::scene::{Delivery, Scene, setup};
use crate::senders::{Plan, Senders, Way, notification};
use crate::stage::{LIMIT, Notifyd, Signal, wait_for};
use crate::table::{Figure, Goal, Who};
use cyrus_notifyd::spool::{Kept, NewRow, Spool, now};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A backlog, in rows.
const BACKLOG: f64 = 1_000_000.0;
/// What the kernel queues for a socket (`net.unix.max_dgram_qlen`, and one more).
const QUEUED: usize = 11;
/// How long a daemon has to come to rest before its memory is looked at.
const REST: Duration = Duration::from_secs(2);

/// Resident memory, and the time from exec to the first datagram taken, with an empty spool and a full one.
pub(crate) fn owed(options: &Options) -> Vec<Figure> {
    let rows = options.scaled(BACKLOG);
    let mut idle = Figure::new("memory, idle", "MB", &[Goal::AtMost(15.0)]);
    let mut with_rows = Figure::new(
        format!("memory, {rows} rows owed"),
        "MB",
        &[Goal::AtMost(40.0)],
    );
    let mut empty = Figure::new("start to first read, nothing owed", "ms", &[]);
    let mut full = Figure::new(
        format!("start to first read, {rows} rows owed"),
        "ms",
        &[Goal::AtMost(100.0)],
    );
    for who in [Who::Stock, Who::Ours] {
        let mut scene = Scene::set(setup(who), Delivery::Hangs);
        for _ in 0..options.rounds {
            empty.add(who, start(&mut scene.daemon, "null") * 1e3);
            std::thread::sleep(REST.mul_f64(options.scale.min(1.0)));
            idle.add(who, memory(scene.daemon.pid(), "VmRSS"));
            end(&mut scene.daemon);
        }
    }
    let mut scene = Scene::set(setup(Who::Ours), Delivery::Hangs);
    fill(&scene.daemon.path("conf/notifyd"), "external", rows);
    for _ in 0..options.rounds {
        full.add(Who::Ours, start(&mut scene.daemon, "external") * 1e3);
        std::thread::sleep(REST.mul_f64(options.scale.min(1.0)));
        with_rows.add(Who::Ours, memory(scene.daemon.pid(), "VmRSS"));
        end(&mut scene.daemon);
    }
    vec![idle, with_rows, empty, full]
}

/// Resident memory during and after a blast that is spooled, and what spooling a message costs.
pub(crate) fn blast(options: &Options) -> Vec<Figure> {
    let messages = options.scaled(BACKLOG);
    let name = |what| format!("memory, blast of {messages}: {what}");
    let mut most = Figure::new(name("most"), "MB", &[]);
    let mut after = Figure::new(name("afterwards"), "MB", &[Goal::AtMost(40.0)]);
    let mut rate = Figure::new(
        format!("blast of {messages}, 4 senders"),
        "datagrams/s",
        &[],
    );
    let mut again = Figure::new(
        "start to first read, after a kill under load",
        "ms",
        &[Goal::AtMost(100.0)],
    );
    for _ in 0..options.rounds {
        let mut scene = Scene::start(Who::Ours, Delivery::Hangs);
        let pid = scene.daemon.pid();
        let socket = scene.daemon.path("notify");
        let plan = Plan {
            socket: &socket,
            method: "external",
            senders: 4,
            messages,
            way: Way::New,
            patience: None,
        };
        rate.add(Who::Ours, plan.run().rate());
        std::thread::sleep(REST);
        after.add(Who::Ours, memory(pid, "VmRSS"));
        most.add(Who::Ours, memory(pid, "VmHWM"));
        let messages = messages / 10;
        Plan { messages, ..plan }.run(); // so that the log is as long as it gets
        end(&mut scene.daemon);
        again.add(Who::Ours, start(&mut scene.daemon, "external") * 1e3);
    }
    vec![rate, most, after, again]
}

/// How fast a backlog is worked off by a method that returns at once, and what a row costs.
pub(crate) fn drain(options: &Options) -> Vec<Figure> {
    let (small, large) = (options.scaled(BACKLOG / 10.0), options.scaled(BACKLOG));
    let mut rate = Figure::new(
        format!("drain of {small} rows (null)"),
        "rows/s",
        &[Goal::AtLeast(20_000.0)],
    );
    let mut cost = Figure::new("processor time to deliver a spooled row (null)", "µs", &[]);
    let mut lines = Figure::new("the same: log lines that came", "a row", &[]);
    let mut linear = Figure::new(
        format!("time to drain {large} rows by time to drain {small}"),
        "times",
        &[Goal::AtMost(12.0)],
    );
    for _ in 0..options.rounds {
        let drained = drain_of(small);
        rate.add(Who::Ours, small as f64 / drained.seconds);
        cost.add(Who::Ours, drained.processor / small as f64 * 1e6);
        lines.add(Who::Ours, drained.lines as f64 / small as f64);
        linear.add(Who::Ours, drain_of(large).seconds / drained.seconds);
    }
    vec![rate, lines, linear, cost]
}

/// What it took to work off a backlog.
struct Drained {
    seconds: f64,
    /// Seconds of processor time.
    processor: f64,
    /// Lines in syslog, a second later.
    lines: u64,
}

fn drain_of(rows: usize) -> Drained {
    let mut scene = Scene::set(setup(Who::Ours), Delivery::Quick);
    let folder = scene.daemon.path("conf/notifyd");
    fill(&folder, "null", rows);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let spool = Connection::open_with_flags(folder.join("spool.db"), flags).expect("the spool");
    let mut left = spool
        .prepare("SELECT EXISTS (SELECT 1 FROM delivery)")
        .expect("SQL");
    scene.daemon.spawn();
    scene.daemon.wait_exec();
    let begin = Instant::now();
    while left.query_row([], |row| row.get(0)).expect("the spool") {
        assert!(begin.elapsed() < Duration::from_secs(600), "it hangs");
        std::thread::sleep(Duration::from_millis(10));
    }
    let seconds = begin.elapsed().as_secs_f64();
    let processor = processor_time(scene.daemon.pid());
    std::thread::sleep(Duration::from_secs(1)); // for lines that wait for syslogd
    Drained {
        seconds,
        processor,
        lines: scene.syslogd.records(),
    }
}

/// Starts the daemon; seconds from its exec until it has taken a datagram that waited for it.
fn start(daemon: &mut Notifyd, method: &str) -> f64 {
    // One more than the kernel queues: the last can be sent when the first was taken.
    let socket = daemon.path("notify");
    let plan = Plan {
        socket: &socket,
        method,
        senders: 1,
        messages: QUEUED + 1,
        way: Way::New,
        patience: None,
    };
    let senders = Senders::start(&plan);
    let full = daemon.path("notify");
    wait_for("a full queue", LIMIT, || is_full(&full).then_some(()));
    let pid = daemon.spawn();
    let comm = format!("/proc/{pid}/comm");
    let begin = loop {
        if std::fs::read_to_string(&comm).is_ok_and(|name| name.trim() == "notifyd") {
            break Instant::now();
        }
        std::thread::sleep(Duration::from_micros(100));
    };
    senders.collect();
    begin.elapsed().as_secs_f64()
}

/// Whether a send would wait.
fn is_full(socket: &Path) -> bool {
    let probe = std::os::unix::net::UnixDatagram::unbound().expect("socket");
    probe.set_nonblocking(true).expect("non-blocking");
    match probe.send_to(&notification("null"), socket) {
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        Ok(_) => false,
    }
}

/// Kills the daemon: the next one finds the spool as a crash leaves it.
fn end(daemon: &mut Notifyd) {
    daemon.signal(Signal::KILL);
    daemon.wait_exit();
}

/// Makes a spool with so many rows, as a daemon that has ended leaves it.
fn fill(folder: &Path, method: &str, rows: usize) {
    let spool = Spool::open(folder).expect("a spool");
    let bytes = notification(method);
    let received = now();
    let numbers: Vec<usize> = (0..rows).collect();
    for batch in numbers.chunks(1000) {
        let rows: Vec<NewRow> = batch
            .iter()
            .map(|_| NewRow {
                id: spool.new_id(received),
                method: method.to_owned(),
                received,
                uid: Some(0),
                file: None,
                notification: bytes.clone(),
                user: None,
            })
            .collect();
        assert_eq!(spool.commit(&rows), Kept::Disk);
    }
    drop(spool);
    let file = Connection::open(folder.join("spool.db")).expect("the spool");
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    file.query_row(checkpoint, [], |_| Ok(()))
        .expect("a checkpoint");
    drop(file);
    let chown = Command::new("chown")
        .args(["-R", "cyrus:mail"])
        .arg(folder)
        .status();
    assert!(chown.expect("chown").success());
}
