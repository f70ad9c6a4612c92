//! The clock is set while deliveries wait, and while no daemon runs. The daemon's time of day is one that the test sets
//! (`clock.c`); its monotonic clock goes on.

use super::ctl::{queue, wait_queue};
use super::daemon::{Alone, external};
use super::stage::{LIMIT, Signal, wait_for};
use super::toml::write_with;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// What is preloaded.
fn preloaded() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let done = dir.join("clock.so");
        let fresh = dir.join(format!("clock.{}", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alone/clock.c");
        let mut cc = Command::new("cc");
        cc.args([
            "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o",
        ]);
        let status = cc.arg(&fresh).arg(source).status();
        assert!(status.unwrap().success(), "clock.c does not compile");
        fs::rename(&fresh, &done).unwrap();
        done
    })
}

/// Sets the clock so many seconds ahead of the system's.
fn set_clock(alone: &Alone, seconds: i64) {
    let new = alone.path("clock.new");
    fs::write(&new, seconds.to_string()).unwrap();
    fs::rename(new, alone.path("clock")).unwrap();
}

fn spawn(alone: &mut Alone) {
    // Where the daemon's user can read it.
    let library = alone.path("clock.so");
    if !library.exists() {
        fs::copy(preloaded(), &library).unwrap();
    }
    let conf = alone.path("imapd.conf");
    let mut command = alone.command(&["-X", "-C", conf.to_str().unwrap()]);
    command
        .env("LD_PRELOAD", &library)
        .env("FAKE_CLOCK", alone.path("clock"));
    let started = alone.count(": started: ");
    alone.spawn_command(command);
    alone.wait_count(": started: ", started + 1);
}

/// A daemon whose program is not there, so that each attempt is put off by `first`.
fn with_program_missing(first: &str) -> Alone {
    let mut alone = Alone::new();
    let text = format!("[method.external]\nfirst = '{first}'\n");
    write_with(&alone, &text, &[("notify_external", "{dir}/prog/late")]);
    set_clock(&alone, 0);
    spawn(&mut alone);
    alone
}

fn program_comes(alone: &Alone) {
    fs::rename(alone.path("prog/external"), alone.path("prog/late")).unwrap();
}

#[test]
fn set_back_by_an_hour() {
    let alone = with_program_missing("4s");
    for user in ["alice", "bob"] {
        alone.send(&external(user));
    }
    wait_queue(&alone, &["--state", "deferred"], 2);
    alone.hang(true);
    program_comes(&alone);
    alone.wait_begun(1);
    alone.send(&external("carol")); // waits for the only permit
    wait_for("carol", LIMIT, || queue(&alone, &["--user", "carol"]).pop());
    set_clock(&alone, -HOUR);
    alone.wait_line("spool: the clock was set back by 3");
    alone.hang(false);
    for user in ["-u alice", "-u bob", "-u carol"] {
        alone.wait_run(&[user]);
    }
    wait_queue(&alone, &[], 0);
    assert_eq!(alone.runs().len(), 3, "each once");
}

#[test]
fn set_back_while_no_daemon_runs() {
    let mut alone = with_program_missing("4s");
    alone.send(&external("alice"));
    wait_queue(&alone, &["--state", "deferred"], 1);
    alone.hang(true);
    program_comes(&alone);
    alone.wait_begun(1);
    alone.send(&external("bob")); // was never tried when the daemon ends
    wait_for("bob", LIMIT, || queue(&alone, &["--user", "bob"]).pop());
    alone.signal(Signal::KILL);
    alone.wait_exit();
    alone.hang(false);
    set_clock(&alone, -HOUR);
    spawn(&mut alone);
    for user in ["-u alice", "-u bob"] {
        alone.wait_run(&[user]);
    }
    alone.wait_line(
        "deliveries have times in the future: the clock was set back while no notifyd ran",
    );
}

#[test]
fn set_ahead_by_ten_days() {
    let alone = with_program_missing("2s");
    alone.send(&external("alice"));
    wait_queue(&alone, &["--state", "deferred"], 1);
    set_clock(&alone, 10 * DAY);
    alone.wait_line("spool: the clock was set ahead by 86");
    let tried = queue(&alone, &[])[0]["attempts"].as_u64().unwrap();
    wait_for("another attempt", LIMIT, || {
        (queue(&alone, &[])[0]["attempts"].as_u64().unwrap() > tried).then_some(())
    });
    wait_queue(&alone, &["--state", "deferred"], 1);
    assert_eq!(alone.count("status=expired"), 0);
    program_comes(&alone);
    alone.wait_run(&["-u alice"]);
}
