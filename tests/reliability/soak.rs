//! A soak: what real Cyrus servers sent, replayed against all methods by datagram and by dlist. Memory stays flat, and
//! no descriptor leaks.

use super::common::{Sample, samples};
use super::stage::{LIMIT, Notifyd, Setup, wait_for};
use super::{Random, minutes, open_files, status, wait_drained};
use cyrus_notifyd::wire::{Notification, datagram, dlist};
use std::time::{Duration, Instant};

/// Growth of resident memory between warm and the end that is none, in kB.
const FLAT: u64 = 8 * 1024;
/// Descriptors that may be open for the moment.
const SPARE: usize = 8;
/// How many of the recorded ones go to a program each time; the rest go to `log` and `null`, which are much faster.
const SLOW: usize = 20;

/// Bob gets more mails than he would have to bear.
const NO_LIMITS: &str = "[mailto]\nowner_limit = 0\nrecipient_limit = 0\n";

fn recorded() -> Vec<Notification> {
    let decode = |sample: Sample| datagram::decode(&sample.bytes).ok();
    let folders = ["3.6.1", "3.13"];
    folders
        .iter()
        .flat_map(|folder| samples(folder))
        .filter_map(decode)
        .collect()
}

/// The one that is sent: a recorded one, to a method of our choice.
fn pick(all: &[Notification], random: &mut Random) -> Notification {
    let mut picked = all[random.below(all.len())].clone();
    let method = match random.below(SLOW) {
        0 => ["external", "mailto", "zephyr"][random.below(3)],
        n => ["log", "null", "no-such-method"][n % 3],
    };
    picked.method = method.into();
    if method == "mailto" {
        picked.options = vec![b"bob@example.org".to_vec()];
    }
    picked
}

/// Sends so many, and waits until all is delivered.
fn round(n: &Notifyd, all: &[Notification], random: &mut Random, stream: bool, many: usize) {
    for _ in 0..many {
        let picked = pick(all, random);
        if stream {
            let answer = n.converse(&dlist::encode(&picked)).unwrap();
            assert_eq!(answer, b"OK %()\r\n");
        } else {
            n.send(&datagram::encode(&picked));
        }
    }
    wait_drained(n);
}

fn soak(what: &str, setup: Setup, stream: bool) {
    let mut random = Random::new(what);
    let all = recorded();
    assert!(all.len() > 1000);
    let many = if minutes().is_some() { 2000 } else { 500 };
    let rounds = if minutes().is_some() { usize::MAX } else { 8 };
    let limit = Duration::from_secs(minutes().unwrap_or(1) * 60 / 2); // two runs, one after the other
    // Nobody answers for zephyr here: its deliveries stay owed.
    let mut n = setup
        .own_network()
        .conf("notifyd_config", "{dir}/prog/notifyd.toml")
        .build();
    std::fs::write(n.path("prog/notifyd.toml"), NO_LIMITS).unwrap();
    n.spawn();
    n.wait_ready();
    let start = Instant::now();
    for _ in 0..2 {
        round(&n, &all, &mut random, stream, many);
    }
    let (memory, files) = (status(n.pid(), "VmRSS"), open_files(n.pid()));
    let (mut done, mut most) = (0, 0);
    while done < rounds && (minutes().is_none() || start.elapsed() < limit) {
        round(&n, &all, &mut random, stream, many);
        done += 1;
        most = most.max(status(n.pid(), "VmRSS"));
        n.log.forget();
        n.external.forget();
        n.sendmail.forget();
    }
    // A few come and go: the housekeeper's, those of an attempt for zephyr.
    wait_for("its descriptors", LIMIT, || {
        (open_files(n.pid()) <= files + SPARE).then_some(())
    });
    let (memory_after, files_after) = (status(n.pid(), "VmRSS"), open_files(n.pid()));
    println!(
        "{what}: {} notifications in {} s; resident memory {memory} kB warm, {memory_after} kB at the end, {most} kB at most; {files} descriptors, then {files_after}",
        many * (done + 2),
        start.elapsed().as_secs()
    );
    assert!(
        memory_after <= memory + FLAT,
        "{memory} kB, then {memory_after} kB"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn datagrams() {
    soak("soak by datagram", Setup::new(), false);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn conversations() {
    soak("soak by dlist", Setup::new().stream(), true);
}
