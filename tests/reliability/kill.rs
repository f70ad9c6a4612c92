//! `kill -9` at any moment, again and again, while notifications arrive: none is lost.

use super::retry::retry;
use super::stage::{LIMIT, Notifyd, Setup, Signal, wait_for};
use super::{
    Random, Stop, external, logged, none_missing, records, runs, times, wait_drained, with_spool,
};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// Waits for a moment to kill: when some more were sent, or, one time in four, as soon as the program runs.
fn wait_moment(n: &Notifyd, random: &mut Random, sent: &AtomicUsize, most: usize) {
    if random.below(4) == 0 {
        return n.wait_exec();
    }
    let when = sent.load(SeqCst) + random.below(most);
    wait_for("the senders", LIMIT, || {
        (sent.load(SeqCst) >= when).then_some(())
    });
}

/// One of so many goes to the external program, which takes a thousand times longer than a record.
fn external_every() -> usize {
    times(4, 100)
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_datagram_is_lost() {
    let kills = times(10, 100);
    let mut random = Random::new("kill -9, datagrams");
    let mut n = Notifyd::start();
    let (sent, stop, path) = (
        AtomicUsize::new(0),
        AtomicBool::new(false),
        n.path("notify"),
    );
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let socket = UnixDatagram::unbound().unwrap();
            socket.set_write_timeout(Some(LIMIT)).unwrap();
            while !stop.load(SeqCst) {
                let i = sent.load(SeqCst);
                let datagram = if i.is_multiple_of(external_every()) {
                    external(i)
                } else {
                    logged(i)
                };
                retry(|| socket.send_to(&datagram, &path)).unwrap();
                sent.store(i + 1, SeqCst);
            }
        });
        let stopping = Stop(&stop);
        for _ in 0..kills {
            wait_moment(&n, &mut random, &sent, times(500, 20_000));
            n.signal(Signal::KILL);
            n.wait_exit();
            n.spawn();
        }
        drop(stopping);
    });
    let all = sent.load(SeqCst);
    n.fence_log();
    wait_drained(&n);
    let is_external = |i: &usize| i.is_multiple_of(external_every());
    let again = none_missing(
        "records",
        (0..all).filter(|i| !is_external(i)),
        &records(&n),
    );
    let twice = none_missing("runs", (0..all).filter(is_external), &runs(&n));
    println!(
        "kill -9, datagrams: {kills} kills, {all} sent, 0 lost; {again} records and {twice} runs came more than once"
    );
    assert!(all > kills, "hardly any load");
}

/// One conversation; whether it was answered OK. The daemon may die in it.
fn converse(path: &Path, number: usize) -> bool {
    let talk = || -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(LIMIT * 2))?;
        let request = format!(
            "NOTIFY %(METHOD external CLASS N PRIORITY NIL USER {number} MAILBOX NIL OPTIONS () MESSAGE m FILEPATH NIL)\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    talk().is_ok_and(|answer| answer.starts_with(b"OK "))
}

fn on_disk(spool: &Path) -> BTreeSet<usize> {
    if !spool.join("spool.db").exists() {
        return BTreeSet::new(); // killed before it was made
    }
    with_spool(spool, |db| {
        let Ok(mut select) = db.prepare("SELECT notification FROM delivery") else {
            return BTreeSet::new(); // the table is not made yet
        };
        let user = |row: &rusqlite::Row<'_>| -> rusqlite::Result<usize> {
            let bytes: Vec<u8> = row.get(0)?;
            let user = bytes.split(|b| *b == 0).nth(3).unwrap();
            Ok(str::from_utf8(user).unwrap().parse().unwrap())
        };
        select
            .query_map([], user)
            .unwrap()
            .map(Result::unwrap)
            .collect()
    })
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn each_ok_is_on_disk() {
    const CLIENTS: usize = 3;
    let kills = times(10, 100);
    let mut random = Random::new("kill -9, dlist");
    let mut n = Setup::new().stream().start();
    n.external.set("hold", 1.0); // so all of it stays owed
    let (stop, path) = (AtomicBool::new(false), n.path("notify"));
    let (next, answered) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    let number = next.fetch_add(1, SeqCst);
                    if converse(&path, number) {
                        answered.lock().unwrap().insert(number);
                    }
                }
            });
        }
        let stopping = Stop(&stop);
        for _ in 0..kills {
            wait_moment(&n, &mut random, &next, 20);
            n.signal(Signal::KILL);
            n.wait_exit();
            let known = answered.lock().unwrap().clone();
            let missing: Vec<_> = known
                .difference(&on_disk(&n.path("conf/notifyd")))
                .copied()
                .collect();
            assert!(
                missing.is_empty(),
                "answered OK and not on disk: {missing:?}"
            );
            n.spawn();
        }
        drop(stopping);
    });
    let answered = answered.into_inner().unwrap();
    let (all, ok) = (next.load(SeqCst), answered.len());
    n.external.set("hold", 0.0);
    wait_drained(&n);
    let twice = none_missing("runs", answered, &runs(&n));
    println!(
        "kill -9, dlist: {kills} kills, {all} conversations, {ok} answered OK, 0 of them lost; {twice} came more than once"
    );
    assert!(ok > kills, "hardly any load");
}
