//! When things go wrong: bad input, strangers, a full disk. One clear line each, and nothing else is lost.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod stage;

use rusqlite::Connection;
use stage::{LIMIT, Notifyd, Record, Setup, Signal, note, wait_for};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A line by which the daemon complains: warning or worse.
fn complaints(n: &Notifyd) -> Vec<Record> {
    n.log
        .records()
        .into_iter()
        .filter(|r| r.severity() <= 4)
        .collect()
}

/// A notification that leaves a numbered run of the external program.
fn numbered(number: usize) -> Vec<u8> {
    note("external")
        .class("N")
        .user(number.to_string())
        .message("m")
        .bytes()
}

/// How often each number has arrived.
fn arrived(n: &Notifyd) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for run in n.externals() {
        let number = str::from_utf8(&run.argv[6]).unwrap().parse().unwrap();
        *counts.entry(number).or_default() += 1;
    }
    counts
}

/// Waits until so many runs of the external program have ended.
fn wait_runs(n: &Notifyd, count: usize) {
    let path = n.external.path().with_extension("runs");
    let lines = || {
        fs::read(&path)
            .unwrap_or_default()
            .iter()
            .filter(|b| **b == b'\n')
            .count()
    };
    let limit = LIMIT * 4;
    wait_for(&format!("{count} runs"), limit, || {
        (lines() >= count).then_some(())
    });
}

/// Datagrams that are no notifications, and what is said of each.
fn bad() -> Vec<(Vec<u8>, &'static str)> {
    let valid = note("log").class("BAD").message("m");
    vec![
        (vec![0; 3], "malformed notify request: "),
        (b"no NUL at all".to_vec(), "malformed notify request: "),
        (b"log\0C\0low\0u\0\0".to_vec(), "malformed notify request: "),
        (
            valid.clone().nopt("5").bytes(),
            "malformed notify request: ",
        ),
        (
            valid.clone().nopt("-1").bytes(),
            "malformed notify request: ",
        ),
        (
            valid.clone().nopt("99999999999999999999").bytes(),
            "malformed notify request: ",
        ),
        (vec![0xff; 1000], "malformed notify request: "),
        (vec![b'x'; 60_000], "malformed notify request: "),
        (
            valid.message("x".repeat(100_000)).bytes(),
            "notification dropped: longer than 65536 bytes",
        ),
        (
            note("no\nsuch\x1bmethod").class("BAD").bytes(),
            "no method 'no\\nsuch",
        ),
    ]
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn each_bad_datagram_costs_one_line_and_nothing_else_is_lost() {
    let mut n = Setup::new().receive_buffer(1 << 20).start();
    n.fence_log(); // the kernel knows no names for what comes before the daemon has asked for them
    for (i, (datagram, said)) in bad().into_iter().enumerate() {
        n.send(&numbered(2 * i));
        n.send(&datagram);
        n.send(&numbered(2 * i + 1));
        n.fence_log();
        let complaints = complaints(&n);
        assert_eq!(complaints.len(), i + 1, "case {i}: {said}");
        let line = complaints.last().unwrap();
        assert!(
            line.has(said) && line.has("uid=0 pid="),
            "case {i}: {}",
            line.text.escape_ascii()
        );
        assert!(
            line.text.iter().all(|b| *b >= b' '),
            "case {i}: a control character in the log"
        );
    }
    assert!(n.running());
    wait_runs(&n, 2 * bad().len());
    let once: BTreeMap<usize, usize> = (0..2 * bad().len()).map(|i| (i, 1)).collect();
    assert_eq!(arrived(&n), once);
    assert_eq!(n.log.count(|r| r.text.starts_with(b"BAD")), 0);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_flood_of_bad_datagrams_does_not_flood_the_log() {
    let mut n = Notifyd::start();
    for i in 0..2000 {
        n.send(b"garbage");
        n.send(&note(format!("method{i}")).bytes());
        if i % 100 == 0 {
            n.send(&numbered(i / 100));
        }
    }
    n.fence_log();
    wait_runs(&n, 20);
    assert_eq!(arrived(&n).len(), 20);
    let lines = complaints(&n).len();
    assert!(
        (100..=1000).contains(&lines),
        "{lines} lines for 4000 bad datagrams"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_datagram_of_60_kb_is_taken_whole() {
    let n = Setup::new().receive_buffer(1 << 20).start();
    let message: Vec<u8> = (0..60_000u32).map(|i| (i % 255 + 1) as u8).collect();
    let run = n.run_external(&note("external").class("C").message(&message));
    assert!(run.stdin == [message.as_slice(), b"\n"].concat());
    assert_eq!(complaints(&n), []);
}

/// A user that is neither root nor cyrus sends: the first argument is the socket's type, then its path, then the data.
const STRANGER: &str = "my ($type, $path, $data) = @ARGV;
    my $s = IO::Socket::UNIX->new(Peer => $path, Type => $type eq 'stream' ? SOCK_STREAM : SOCK_DGRAM) or die $!;
    $SIG{PIPE} = 'IGNORE'; # a conversation may be refused before anything is said
    defined $s->send($data) or $type eq 'stream' or die $!;
    if ($type eq 'stream') { local $/; print scalar <$s> }";

fn stranger(n: &Notifyd, kind: &str, data: &str) -> String {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
    command.args(["perl", "-MIO::Socket::UNIX", "-e", STRANGER, kind]);
    let output = command.arg(n.path("notify")).arg(data).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_strangers_datagram_is_refused() {
    let mut n = Setup::new().conf("debug", "yes").start();
    n.fence_log();
    // No NUL can be in an argument: this would be malformed, were it looked at.
    stranger(&n, "dgram", "log");
    n.fence_log();
    let complaints = complaints(&n);
    assert_eq!(complaints.len(), 1);
    assert!(complaints[0].has("notification refused: uid=65534 pid="));
    n.signal(Signal::TERM);
    assert_eq!(n.wait_exit().code(), Some(0));
    n.log
        .wait("the counts", |r| r.has("refused=1") && r.has("malformed=0"));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_strangers_conversation_is_refused() {
    let n = Setup::new().stream().start();
    let request = "NOTIFY %(METHOD log CLASS STRANGE PRIORITY NIL USER u MAILBOX NIL OPTIONS () MESSAGE m FILEPATH NIL)\r\n";
    assert_eq!(
        stranger(&n, "stream", request),
        "NO %(REASON \"sender not allowed\")\r\n"
    );
    assert_eq!(
        n.converse(request.replace("STRANGE", "C").as_bytes())
            .unwrap(),
        b"OK %()\r\n"
    );
    n.log.wait("our own", |r| r.text == b"C, , u, ,  \"m\"");
    let complaints = complaints(&n);
    assert_eq!(complaints.len(), 1);
    assert!(complaints[0].has("notification refused: uid=65534 pid="));
    assert_eq!(n.log.count(|r| r.text.starts_with(b"STRANGE")), 0);
}

/// Fills the file system of the spool; the file that did.
fn fill(spool: &Path) -> std::path::PathBuf {
    let path = spool.join("ballast");
    let mut file = File::create(&path).unwrap();
    for size in [65_536, 1024, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
    path
}

/// Deliveries in the spool file, counted in a copy: SQLite can't go where only the daemon's mounts lead. A copy that is made
/// while the daemon writes may be torn: then it is made again.
fn on_disk(spool: &Path) -> i64 {
    wait_for("a whole copy of the spool", LIMIT, || {
        let copy = tempfile::tempdir().unwrap();
        for name in ["spool.db", "spool.db-wal"] {
            fs::copy(spool.join(name), copy.path().join(name)).ok()?;
        }
        let db = Connection::open(copy.path().join("spool.db")).ok()?;
        let count = "SELECT count(*) FROM delivery";
        db.query_row(count, [], |row| row.get(0)).ok()
    })
}

const FULL: &str = "spool: no room on its disk, which has ";

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_full_disk_stops_neither_intake_nor_delivery() {
    let mut n = Setup::new().spool_size(1 << 20).start();
    n.fence_log();
    fill(&n.spool());
    for i in 0..50 {
        n.send(
            &note("external")
                .class("N")
                .user(i.to_string())
                .message("m".repeat(5000))
                .bytes(),
        );
    }
    n.fence_log();
    n.log.wait("the trouble", |r| {
        r.severity() == 3 && r.has(FULL) && r.has("keeping new deliveries in memory until there is")
    });
    wait_runs(&n, 50);
    assert_eq!(arrived(&n).len(), 50);
    assert!(n.running());
    assert_eq!(n.log.count(|r| r.has(FULL)), 1, "said once");
}

/// A notification of so many bytes that leaves a numbered run of the external program.
fn large(number: usize, bytes: usize) -> Vec<u8> {
    let text = "m".repeat(bytes);
    note("external")
        .class("N")
        .user(number.to_string())
        .message(text)
        .bytes()
}

/// An external program that writes down whom it was run for; it fails for now as long as there is a file `broken`.
const PROGRAM: &str = "#!/bin/sh
cd \"${0%/*}\"
[ -e broken ] && exit 75
echo \"$6\" >> done
";

/// How often it was run for whom.
fn done(n: &Notifyd) -> BTreeMap<usize, usize> {
    let text = fs::read_to_string(n.path("prog/done")).unwrap_or_default();
    let mut counts = BTreeMap::new();
    for line in text
        .split_inclusive('\n')
        .filter_map(|l| l.strip_suffix('\n'))
    {
        *counts.entry(line.parse().unwrap()).or_default() += 1;
    }
    counts
}

/// A stage with [`PROGRAM`] and a disk of this size for the spool.
fn small_disk(size: u64) -> Notifyd {
    failing(Setup::new().spool_size(size), "")
}

/// A stage with [`PROGRAM`], which fails, and this in notifyd.toml.
fn failing(setup: Setup, spool: &str) -> Notifyd {
    let mut n = setup
        .receive_buffer(4 << 20)
        .conf("notify_external", "{dir}/prog/program")
        .line("notifyd_config: {dir}/notifyd.toml")
        .build();
    let toml = "[retry]\nfirst = '1s'\nmaximum = '2s'\n[method.external]\npermits = 8\n[log]\ndelivered = false\n";
    fs::write(n.path("notifyd.toml"), format!("{toml}{spool}")).unwrap();
    fs::set_permissions(n.path("prog"), PermissionsExt::from_mode(0o777)).unwrap();
    fs::write(n.path("prog/broken"), "").unwrap();
    fs::write(n.path("prog/program"), PROGRAM).unwrap();
    fs::set_permissions(n.path("prog/program"), PermissionsExt::from_mode(0o755)).unwrap();
    n.spawn();
    n.fence_log();
    n
}

/// The spool fills a disk of its own while programs fail, and programs work again: nobody has to do anything.
fn a_small_disk_heals(size: u64, others: bool) {
    let mut n = small_disk(size);
    let bytes = 20_000;
    // More than the disk has room for, and not more than memory has besides.
    let sent = (size * 5 / 4) as usize / bytes;
    for i in 0..sent / 2 {
        n.send(&large(i, bytes));
    }
    // Another process that fills the disk to the last byte.
    let ballast = others.then(|| fill(&n.spool()));
    for i in sent / 2..sent {
        n.send(&large(i, bytes));
    }
    n.fence_log();
    n.log.wait("the trouble", |r| r.has(FULL));
    assert_eq!(n.log.count(|r| r.has("dropped so far")), 0);
    fs::remove_file(n.path("prog/broken")).unwrap();
    if let Some(ballast) = ballast {
        wait_for("what needs no room", LIMIT * 2, || {
            (done(&n).len() > sent / 4).then_some(())
        });
        fs::remove_file(ballast).unwrap();
    }
    wait_for("all of them", LIMIT * 8, || {
        (done(&n).len() == sent && on_disk(&n.spool()) == 0).then_some(())
    });
    let twice = done(&n).into_values().filter(|count| *count > 1).count();
    assert_eq!(twice, 0, "delivered twice");
    // New ones go to the disk again.
    fs::write(n.path("prog/broken"), "").unwrap();
    n.send(&large(sent, bytes));
    wait_for("the new one on the disk", LIMIT, || {
        (on_disk(&n.spool()) == 1).then_some(())
    });
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_disk_that_the_spool_has_filled_heals_itself() {
    for megabytes in [16, 24, 40] {
        a_small_disk_heals(megabytes << 20, false);
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_disk_that_others_have_filled_too_heals_itself() {
    a_small_disk_heals(24 << 20, true);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn what_is_in_memory_at_the_end_goes_to_the_room_that_was_reserved() {
    let mut n = small_disk(24 << 20);
    // Keeps the disk when the daemon, in whose namespace it is mounted, has gone.
    let disk = File::open(n.spool()).unwrap();
    fill(&n.spool());
    for i in 0..100 {
        n.send(&large(i, 5000));
    }
    n.fence_log();
    n.log.wait("the trouble", |r| r.has(FULL));
    n.signal(Signal::TERM);
    assert!(n.wait_exit().success());
    n.log.wait("what is saved", |r| {
        r.severity() == 4
            && r.has("deliveries in memory were written to the room that was reserved")
    });
    assert_eq!(n.log.count(|r| r.has("are lost")), 0);
    let folder = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&disk));
    assert_eq!(on_disk(Path::new(&folder)), 100);
}

/// Somebody looks at the spool by hand, and leaves the statement open.
#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_reader_that_does_not_end_makes_the_log_only_so_long() {
    let mut n = failing(Setup::new(), "[spool]\nmax_bytes = '64M'\n");
    let spool = n.path("conf/notifyd");
    n.send(&large(0, 10_000));
    wait_for("the first on the disk", LIMIT, || {
        (on_disk(&spool) == 1).then_some(())
    });
    let reader = Connection::open(spool.join("spool.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = |db: &Connection| -> i64 {
        let sql = "SELECT count(*) FROM delivery";
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&reader), 1);
    let length = || fs::metadata(spool.join("spool.db-wal")).unwrap().len();
    let sent = 3000;
    for i in 1..sent {
        n.send(&large(i, 10_000));
    }
    n.fence_log();
    let line = n.log.wait("who reads", |r| {
        r.severity() == 3
            && r.has("spool: its log has ")
            && r.has("cannot be emptied while process ")
    });
    assert!(line.has(&format!("process {} (", std::process::id())));
    // Claims go on up to twice that length; what is in memory is delivered all the same.
    fs::remove_file(n.path("prog/broken")).unwrap();
    let in_memory = sent - usize::try_from(on_disk(&spool)).unwrap();
    assert!(in_memory > 0);
    wait_for("what is in memory", LIMIT, || {
        (done(&n).len() >= in_memory).then_some(())
    });
    assert!(length() < 40 << 20, "{} bytes", length());
    drop(reader);
    wait_for("the rest", LIMIT * 4, || {
        (done(&n).len() == sent && on_disk(&spool) == 0).then_some(())
    });
    wait_for("a short log", LIMIT, || (length() < 16 << 20).then_some(()));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn what_is_in_memory_is_not_handed_over_and_not_lost_in_silence() {
    let mut n = Setup::new().spool_size(1 << 20).start();
    n.external.set("delay", 600.0);
    n.fence_log();
    fill(&n.spool());
    for i in 0..50 {
        let note = note("external").class("N").user(i.to_string());
        n.send(&note.message("m".repeat(5000)).bytes());
    }
    n.fence_log();
    n.log.wait("the trouble", |r| r.has(FULL));
    n.signal(Signal::HUP);
    n.log.wait("no hand-over", |r| {
        r.severity() == 3 && r.has("SIGHUP: the disk refuses, and what is owed in memory")
    });
    n.send(&numbered(50));
    n.fence_log();
    n.signal(Signal::TERM);
    assert!(n.wait_exit().success());
    n.log.wait("what is lost", |r| {
        r.severity() == 3 && r.has("deliveries in memory are lost with this process")
    });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn what_is_in_memory_moves_to_the_disk_when_it_can() {
    let mut n = Setup::new().spool_size(16 << 20).start();
    n.external.set("delay", 600.0);
    n.fence_log();
    let spool = n.spool();
    let ballast = fill(&spool);
    for i in 0..50 {
        n.send(
            &note("external")
                .class("N")
                .user(i.to_string())
                .message("m".repeat(5000))
                .bytes(),
        );
    }
    n.fence_log();
    n.log.wait("the trouble", |r| r.has(FULL));
    assert!(on_disk(&spool) < 50);
    fs::remove_file(ballast).unwrap();
    n.log.wait("the end of the trouble", |r| {
        r.severity() == 4 && r.has("spool: can be written again; ")
    });
    wait_for("all on the disk", LIMIT, || {
        (on_disk(&spool) == 50).then_some(())
    });
    // New ones go there at once.
    n.send(&numbered(50));
    wait_for("the new one on the disk", LIMIT, || {
        (on_disk(&spool) == 51).then_some(())
    });
    // The run under way fails for good, as any run that ends by a signal; all the rest follows.
    n.external.set("delay", 0.0);
    let sleeper = rustix::process::Pid::from_raw(n.external.started()[0]).unwrap();
    rustix::process::kill_process(sleeper, Signal::KILL).unwrap();
    wait_runs(&n, 50);
    let counts = arrived(&n);
    assert!(
        counts.len() == 50 && counts.values().all(|count| *count == 1),
        "{counts:?}"
    );
    wait_for("the settlements", LIMIT, || {
        (on_disk(&spool) == 1).then_some(())
    });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_spool_that_cannot_be_opened_does_not_stop_it() {
    let mut n = Setup::new().build();
    let folder = n.path("conf/notifyd");
    fs::create_dir(&folder).unwrap(); // root's
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    n.spawn();
    n.log.wait("the trouble", |r| {
        r.severity() == 3 && r.has("spool: cannot open: ")
    });
    n.send(&numbered(0));
    wait_runs(&n, 1);
    n.external.set("delay", 600.0);
    for i in 1..6 {
        n.send(&numbered(i));
    }
    n.fence_log();
    let cyrus = nix::unistd::User::from_name("cyrus").unwrap().unwrap();
    std::os::unix::fs::chown(&folder, Some(cyrus.uid.as_raw()), None).unwrap();
    n.log.wait("the end of the trouble", |r| {
        r.has("spool: can be written again; ")
    });
    wait_for("all on the disk", LIMIT, || {
        (on_disk(&folder) == 5).then_some(())
    });
    n.signal(Signal::KILL);
    n.wait_exit();
    n.external.set("delay", 0.0);
    n.spawn();
    wait_runs(&n, 6);
    assert_eq!(arrived(&n).len(), 6);
}

/// A notification of 20 kB for `user` that leaves a run of the external program.
fn of(user: &str, event: bool) -> Vec<u8> {
    let text = "m".repeat(20_000);
    match event {
        false => note("external").class("N").user(user).message(text).bytes(),
        true => note("external")
            .class("EVENT")
            .message(format!(
                "{{\"event\":\"X\",\"user\":\"{user}\",\"text\":\"{}\"}}",
                &text[..10_000]
            ))
            .bytes(),
    }
}

/// One whose notifications cannot be delivered for now fills as much of the spool as is his.
#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn one_user_does_not_fill_the_spool_for_the_others() {
    for event in [false, true] {
        let mut n = failing(Setup::new(), "[spool]\nmax_bytes = '8M'\n");
        for _ in 0..1000 {
            n.send(&of("eve", event));
        }
        n.fence_log();
        let line = n.log.wait("a line for her", |r| {
            r.severity() == 4 && r.has("user eve has as much of the spool as user_share allows")
        });
        assert!(line.has("notification dropped (uid=0 pid="));
        n.fence_log();
        let evil = on_disk(&n.path("conf/notifyd"));
        let most = if event { 600 } else { 300 };
        assert!((50..most).contains(&evil), "{evil}");
        for user in ["alice", "bob", "carol"] {
            for _ in 0..10 {
                n.send(&of(user, event));
            }
        }
        // A record of the log comes before the commit of what was read with it.
        wait_for("the others' notifications", LIMIT, || {
            (on_disk(&n.path("conf/notifyd")) == evil + 30).then_some(())
        });
        assert_eq!(n.log.count(|r| r.has("the spool is full")), 0);
        // When hers are gone there is room for her again.
        fs::write(n.path("prog/program"), "#!/bin/sh\n").unwrap();
        wait_for("an empty spool", LIMIT * 4, || {
            (on_disk(&n.path("conf/notifyd")) == 0).then_some(())
        });
        fs::write(n.path("prog/program"), "#!/bin/sh\nexit 75\n").unwrap();
        n.send(&of("eve", event));
        wait_for("a new one", LIMIT, || {
            (on_disk(&n.path("conf/notifyd")) == 1).then_some(())
        });
    }
}

/// A hung predecessor, or somebody with flock(1).
#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn who_holds_the_lock_is_told() {
    let mut n = Setup::new().build();
    let folder = n.path("conf/notifyd");
    fs::create_dir(&folder).unwrap();
    let cyrus = nix::unistd::User::from_name("cyrus").unwrap().unwrap();
    let ours = |path: &Path| {
        std::os::unix::fs::chown(path, Some(cyrus.uid.as_raw()), Some(cyrus.gid.as_raw())).unwrap();
    };
    fs::write(folder.join("lock"), "").unwrap();
    ours(&folder);
    ours(&folder.join("lock"));
    let mut holder = Command::new("flock")
        .arg(folder.join("lock"))
        .args(["-c", "echo locked; read x"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 7];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
    n.spawn();
    let line = n.log.wait("who has it", |r| {
        r.severity() == 3 && r.has("conf/notifyd/lock is held by process ")
    });
    assert!(line.has(&format!("process {} (flock), for ", holder.id())));
    drop(holder.stdin.take());
    holder.wait().unwrap();
    n.fence_log();
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_spool_that_others_can_reach_is_closed_or_refused() {
    let cyrus = nix::unistd::User::from_name("cyrus").unwrap().unwrap();
    let mut n = Setup::new().build();
    let folder = n.path("conf/notifyd");
    fs::create_dir(&folder).unwrap();
    let set = |uid: u32, mode: u32| {
        std::os::unix::fs::chown(&folder, Some(uid), None).unwrap();
        fs::set_permissions(&folder, PermissionsExt::from_mode(mode)).unwrap();
    };
    let mode = || fs::metadata(&folder).unwrap().permissions().mode() & 0o7777;
    // Ours, and everybody's.
    set(cyrus.uid.as_raw(), 0o777);
    n.spawn();
    n.fence_log();
    n.log.wait("a line", |r| {
        r.severity() == 4
            && r.has("conf/notifyd was open to others (mode 0777); now it is not (0700)")
    });
    assert_eq!(mode(), 0o700);
    n.signal(Signal::TERM);
    n.wait_exit();
    // Another user's, who lets us in.
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    set(65_534, 0o777);
    n.spawn();
    n.log.wait("the trouble", |r| {
        r.severity() == 3
            && r.has("spool: cannot open: ")
            && r.has("belongs to uid 65534, not to us")
    });
    n.send(&numbered(0));
    wait_runs(&n, 1);
    assert!(!folder.join("spool.db").exists(), "it is not used");
    n.external.set("delay", 600.0);
    n.send(&numbered(1));
    n.fence_log();
    set(cyrus.uid.as_raw(), 0o700);
    n.log.wait("the end of the trouble", |r| {
        r.has("spool: can be written again; ")
    });
    wait_for("it on the disk", LIMIT, || {
        (on_disk(&folder) == 1).then_some(())
    });
    n.signal(Signal::TERM);
    n.wait_exit();
    // Somebody else's file in our folder.
    fs::remove_file(folder.join("spool.db")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("spool.db")).unwrap();
    n.spawn();
    n.log.wait("no link is followed", |r| {
        r.severity() == 3 && r.has("spool.db: is not a regular file of ours (uid 0)")
    });
}

/// It runs where the kernel knows no system call that is newer than Linux 4.18 (RHEL 8), and where a seccomp profile refuses
/// those by which a process takes a descriptor or a child (Docker's and Podman's, `SystemCallFilter=@system-service`).
#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn old_kernels_and_seccomp_profiles() {
    const EPERM: i32 = 1;
    const ENOSYS: i32 = 38;
    for (error, first, last) in [
        (EPERM, 434, 434),
        (EPERM, 438, 438),
        (ENOSYS, 424, u32::MAX),
    ] {
        let mut n = Setup::new().refused(error, first, last).start();
        n.fence_log();
        let mail = note("mailto")
            .class("SIEVE")
            .option("a@x.test")
            .message("m");
        n.notify(&mail);
        n.send(&numbered(1));
        n.sendmail.wait_count(1);
        n.external.wait_count(1);
        // The next one takes over the same socket.
        let before = n.pid();
        n.wait_ready();
        n.signal(Signal::HUP);
        assert!(n.wait_exit_of(before, LIMIT).success());
        n.send(&numbered(2));
        n.spawn();
        n.external.wait_count(2);
        n.wait_ready();
        n.signal(Signal::TERM);
        n.wait_exit();
        let said: Vec<_> = complaints(&n).iter().map(|r| r.text.clone()).collect();
        assert!(said.is_empty(), "{error} {first}: {said:?}");

        let mut n = Setup::new().stream().refused(error, first, last).start();
        let request = b"NOTIFY %(METHOD log CLASS C PRIORITY \"\" USER \"\" MAILBOX \"\" OPTIONS () MESSAGE m FILEPATH NIL)\r\n";
        assert_eq!(n.converse(request).unwrap(), b"OK %()\r\n");
        n.wait_ready();
        n.signal(Signal::TERM);
        n.wait_exit();
    }
}

mod peek_off {
    use nix::{libc, setsockopt_impl, sockopt_impl};
    sockopt_impl!(PeekOff, SetOnly, libc::SOL_SOCKET, libc::SO_PEEK_OFF, i32);
}

/// Another process that reads from the same socket moves the place from which the next datagram is seen, as Cyrus' own notifyd
/// does while one takes the place of the other.
#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_datagram_seen_from_its_middle_is_looked_at_again() {
    use nix::sys::socket::SetSockOpt;
    let mut n = Setup::new().start();
    n.fence_log();
    for (number, offset) in [1, 5, 12, 3].into_iter().enumerate() {
        n.wait_asleep();
        peek_off::PeekOff.set(n.socket(), &offset).unwrap();
        n.send(&numbered(number));
        n.external.wait_count(number + 1);
    }
    // What makes no sense has one line each, and what follows is not lost.
    n.send(b"no notification");
    n.notify(&note("xmpp:a@x.test").class("C"));
    n.send(&numbered(4));
    n.external.wait_count(5);
    n.fence_log();
    assert_eq!(arrived(&n), (0..5).map(|number| (number, 1)).collect());
    let said: Vec<String> = complaints(&n)
        .iter()
        .map(|r| String::from_utf8_lossy(&r.text).into_owned())
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("malformed notify request"), "{said:?}");
    assert!(said[1].starts_with("no method 'xmpp:a@x.test'"), "{said:?}");
}
