//! Floods: from a user who may not send, and of the largest datagrams there are.

use super::stage::{LIMIT, Notifyd, Setup, Signal, note, wait_for};
use super::{external, flush, logged, none_missing, records, status, times};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Sends as fast as it can, as a user who may not; says when it has begun, goes on until it is killed.
const STRANGER: &str =
    "my $s = IO::Socket::UNIX->new(Peer => $ARGV[0], Type => SOCK_DGRAM) or die $!;
    $| = 1; $s->send('garbage') or die $!; print 'x'; while (1) { $s->send('garbage') or exit }";

/// Ends what it holds.
struct Flood(Child);

impl Flood {
    fn start(n: &Notifyd) -> Flood {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
        command
            .args(["perl", "-MIO::Socket::UNIX", "-e", STRANGER])
            .arg(n.path("notify"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        Flood(child)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the daemon counted, from its last line.
fn counted(n: &mut Notifyd, key: &str) -> usize {
    n.signal(Signal::TERM);
    assert_eq!(n.wait_exit().code(), Some(0));
    let line = n.log.wait("the counts", |r| r.has("ended: received="));
    let text = String::from_utf8(line.text).unwrap();
    let value = text
        .split([' ', ','])
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    value.unwrap().parse().unwrap()
}

/// Waits for so many records. On a busy machine, where syslogd does not keep up, some come by the spool.
fn wait_logged(n: &mut Notifyd, wanted: usize) {
    n.fence_log();
    wait_for(&format!("{wanted} records"), LIMIT * 8, || {
        (records(n).len() >= wanted).then_some(())
    });
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_strangers_flood_keeps_nobody_out() {
    let good = times(500, 20_000);
    let queue: usize = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let mut n = Notifyd::start();
    n.fence_log();
    let flood = Flood::start(&n);
    let (mut longest, mut all) = (Duration::ZERO, Duration::ZERO);
    for i in 0..good {
        let start = Instant::now();
        n.send(&logged(i));
        longest = longest.max(start.elapsed());
        all += start.elapsed();
    }
    drop(flood);
    wait_logged(&mut n, good);
    assert_eq!(none_missing("records", 0..good, &records(&n)), 0);
    let refused = counted(&mut n, "refused");
    println!(
        "a stranger's flood: {good} good ones, {refused} refused, {:.1} of them for each good one; a good sender waited {:?} on average, {longest:?} at most",
        refused as f64 / good as f64,
        all / good as u32,
    );
    assert!(refused > 0);
    // In front of a good one there is at most one queue; the kernel may let the stranger in again before it. In numbers, not in time:
    assert!(
        refused <= good * (queue + 1) * 4,
        "{refused} of the stranger's for {good} good ones"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn large_datagrams_as_fast_as_they_can_be_sent() {
    let large = times(500, 20_000);
    let mut n = Setup::new().receive_buffer(1 << 20).start();
    n.external.set("hold", 1.0);
    n.fence_log();
    let before = status(n.pid(), "VmRSS");
    let message: Vec<u8> = (0..60_000u32).map(|i| (i % 255 + 1) as u8).collect();
    let (done, others) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..large {
                n.send(
                    &note("external")
                        .class("N")
                        .user(i.to_string())
                        .message(&message)
                        .bytes(),
                );
            }
            done.store(true, SeqCst);
        });
        while !done.load(SeqCst) {
            n.send(&logged(others.fetch_add(1, SeqCst)));
        }
    });
    let others = others.into_inner();
    wait_logged(&mut n, others);
    none_missing("records", 0..others, &records(&n));
    let after = status(n.pid(), "VmRSS");
    println!(
        "{large} datagrams of 60 kB with {others} others in between; resident memory {before} kB before, {after} kB after"
    );
    assert!(
        others > 0 && after < before + 64 * 1024,
        "{before} kB, {after} kB"
    );
    // All of them are in the spool; the first few are looked at.
    n.external.set("hold", 0.0);
    let runs = n.external.wait_count(20);
    assert!(
        runs.iter()
            .all(|run| run.stdin == [message.as_slice(), b"\n"].concat())
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_syslogd_that_stands_still_stops_nothing() {
    let mut n = Notifyd::start();
    n.fence_log();
    n.log.close();
    for i in 0..200 {
        n.send(&logged(i));
    }
    n.send(&external(0));
    n.external.wait_count(1);
    // Without syslogd the records are owed, and survive us.
    n.signal(Signal::KILL);
    n.wait_exit();
    n.log.open();
    n.spawn();
    n.fence_log();
    flush(&n);
    wait_logged(&mut n, 200);
    none_missing("records", 0..200, &records(&n));
    assert!(n.running());
}
