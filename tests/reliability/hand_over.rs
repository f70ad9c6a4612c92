//! Hand-over by SIGHUP under load, again and again: nothing is lost, nothing comes twice, and two never work at once.
//!
//! Half of the successors start when the old process has gone, as master does it; the other half at once, as
//! somebody who starts a second one by hand: that one has to wait.

use super::holders::Turns;
use super::retry::retry;
use super::stage::{LIMIT, Notifyd, Signal, wait_for};
use super::{
    Random, Stop, complaints, external, logged, none_missing, records, runs, times, wait_drained,
};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

const EXTERNAL: usize = 100;

/// Pairs of runs that two daemons had under way at the same time.
fn at_once(n: &Notifyd) -> usize {
    let mut runs = n.externals();
    runs.sort_by(|a, b| a.begun.total_cmp(&b.begun));
    runs.windows(2)
        .filter(|pair| pair[0].ppid != pair[1].ppid && pair[1].begun < pair[0].ended)
        .count()
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn nothing_is_lost_and_two_never_work_at_once() {
    let hang_ups = times(20, 200);
    let mut random = Random::new("hand-over by SIGHUP");
    let mut n = Notifyd::start();
    let goal = AtomicUsize::new(0);
    let (sent, stop, path) = (
        AtomicUsize::new(0),
        AtomicBool::new(false),
        n.path("notify"),
    );
    let lock = n.path("conf/notifyd/lock");
    let turns = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut turns = Turns::default();
            while !stop.load(SeqCst) {
                turns.look(&lock);
            }
            turns
        });
        scope.spawn(|| {
            let socket = UnixDatagram::unbound().unwrap();
            socket.set_write_timeout(Some(LIMIT)).unwrap();
            while !stop.load(SeqCst) {
                let i = sent.load(SeqCst);
                if i == goal.load(SeqCst) {
                    std::thread::yield_now();
                    continue;
                }
                let datagram = if i.is_multiple_of(EXTERNAL) {
                    external(i)
                } else {
                    logged(i)
                };
                retry(|| socket.send_to(&datagram, &path)).unwrap();
                sent.store(i + 1, SeqCst);
            }
        });
        let stopping = Stop(&stop);
        for _ in 0..hang_ups {
            n.wait_ready();
            // In the middle of a burst. (Who never stops sending makes the old process read for a second more.)
            let when = goal.load(SeqCst) + random.below(300);
            goal.store(when + 1 + random.below(300), SeqCst);
            wait_for("the sender", LIMIT, || {
                (sent.load(SeqCst) >= when).then_some(())
            });
            let old = n.pid();
            n.signal(Signal::HUP);
            if random.below(2) == 0 {
                n.spawn();
                assert_eq!(n.wait_exit_of(old, LIMIT).code(), Some(0));
            } else {
                assert_eq!(n.wait_exit_of(old, LIMIT).code(), Some(0));
                n.spawn();
            }
            n.status(); // as master, or the pipe would fill
        }
        wait_for("the end of the burst", LIMIT, || {
            (sent.load(SeqCst) == goal.load(SeqCst)).then_some(())
        });
        drop(stopping);
        watcher.join().unwrap()
    });
    let all = sent.load(SeqCst);
    n.fence_log();
    wait_drained(&n);
    let is_external = |i: &usize| i.is_multiple_of(EXTERNAL);
    let again = none_missing(
        "records",
        (0..all).filter(|i| !is_external(i)),
        &records(&n),
    );
    let twice = none_missing("runs", (0..all).filter(is_external), &runs(&n));
    let (readers, at_once) = (turns.count(), at_once(&n));
    println!(
        "hand-over by SIGHUP: {hang_ups} times, {readers} readers, {all} sent, 0 lost; {again} records and {twice} runs came more than once, {at_once} runs of two processes at once"
    );
    assert!(readers > hang_ups / 2 && all > hang_ups, "hardly any load");
    assert_eq!((again, twice, at_once), (0, 0, 0));
    let mut complaints = complaints(&n);
    complaints.retain(|line| !line.contains("syslogd does not keep up")); // on a busy machine
    assert_eq!(complaints, [""; 0]);
}
