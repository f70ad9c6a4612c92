//! Method `external`: a program that gives trouble does no harm to what follows.

use super::stage::{Note, Notifyd, Setup, note, ours};
use super::{complaint, fence_that_may_kill_stock};
use std::os::unix::fs::PermissionsExt;

fn user(name: &str) -> Note {
    note("external").class("C").user(name).message("m")
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn not_configured() {
    let mut n = Setup::new().without("notify_external").start();
    n.notify(&user("alice"));
    n.fence_log();
    if ours() {
        // Logged as the outcome of the delivery, not as an error of the daemon.
        n.log
            .wait("no program", |r| complaint(r) && r.has("external"));
    } else {
        n.log.wait("no program", |r| {
            r.pri == 19 && r.text == b"ERROR: no external recipient (program) specified"
        });
    }
    assert_eq!(n.external.started().len(), 0);
}

/// `program` cannot be executed, for the reason `why`.
fn useless(n: &mut Notifyd, program: &str, why: &str) {
    n.notify(&user("alice"));
    fence_that_may_kill_stock(n);
    if ours() {
        n.log
            .wait("the useless program", |r| complaint(r) && r.has(program));
    } else {
        let text = format!("notify_external: exec returned {why}").into_bytes();
        n.log
            .wait("the useless program", |r| r.pri == 19 && r.text == text);
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn missing() {
    let mut n = Setup::new()
        .conf("notify_external", "{dir}/prog/no-such-program")
        .start();
    useless(&mut n, "no-such-program", "No such file or directory");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn not_executable() {
    let mut n = Setup::new()
        .conf("notify_external", "{dir}/imapd.conf")
        .start();
    useless(&mut n, "imapd.conf", "Permission denied");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_directory() {
    let mut n = Setup::new().conf("notify_external", "{dir}/spool").start();
    useless(&mut n, "spool", "Permission denied");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn script_that_names_no_interpreter() {
    let mut n = Setup::new()
        .conf("notify_external", "{dir}/prog/script")
        .build();
    std::fs::write(n.path("prog/script"), "echo hello\n").unwrap();
    std::fs::set_permissions(n.path("prog/script"), PermissionsExt::from_mode(0o755)).unwrap();
    n.spawn();
    useless(&mut n, "prog/script", "Exec format error");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn arguments_in_the_value() {
    let mut n = Setup::new()
        .conf("notify_external", "{dir}/prog/external --verbose")
        .start();
    useless(&mut n, "prog/external", "No such file or directory");
    assert_eq!(n.external.started().len(), 0);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn exit_status_of_an_old_script() {
    let mut n = Notifyd::start();
    for status in [1.0, 2.0, 64.0, 255.0] {
        n.external.set("exitcode", status);
        n.run_external(&user("alice"));
    }
    n.external.set("exitcode", 0.0);
    assert_eq!(n.fence_external().len(), 4, "each ran once");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn dies_of_a_signal() {
    let mut n = Notifyd::start();
    n.external.set("signal", 11.0);
    n.run_external(&user("alice"));
    n.external.set("signal", 0.0);
    n.run_external(&user("bob"));
    n.fence_log();
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn does_not_read_its_input() {
    let mut n = Notifyd::start();
    n.external.set("nostdin", 1.0);
    // As long as stock needs to fill the pipe before it is closed.
    n.external.set("delay", 0.3);
    n.run_external(&user("alice").message("x".repeat(15_000)));
    n.external.set("delay", 0.0);
    n.fence_log();
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn talks_a_lot() {
    let mut n = Notifyd::start();
    n.external.set("flood", 2e6);
    n.run_external(&user("alice"));
    n.run_external(&user("bob"));
    n.fence_log();
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn leaves_a_child_behind() {
    let mut n = Notifyd::start();
    n.external.set("fork", 120.0);
    n.run_external(&user("alice"));
    n.external.set("fork", 0.0);
    n.run_external(&user("bob"));
    n.fence_log();
    assert!(n.running());
}
