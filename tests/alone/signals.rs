//! Signals, and daemons that follow each other on one spool.

use super::daemon::{Alone, external, mail};
use super::stage::{LIMIT, Signal, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn hangup_reads_the_configuration_again() {
    let mut alone = Alone::start();
    alone.send(&mail("before"));
    alone.wait_run(&["sendmail -i", "before@example.org"]);
    alone.configure("imapd.conf", &[("sendmail", "{dir}/prog/other-sendmail")]);
    alone.signal(Signal::HUP);
    alone.wait_line("SIGHUP: the configuration was read again");
    alone.send(&mail("after"));
    alone.wait_run(&["after@example.org"]);
    let runs = alone.runs();
    assert!(
        runs.iter()
            .any(|run| run.starts_with("other-sendmail -i") && run.contains("after@example.org")),
        "{runs:?}"
    );
    assert!(alone.running());
    assert_eq!(alone.count(": started: "), 1, "in place");
}

#[test]
fn what_comes_while_it_reloads_is_kept() {
    let alone = Alone::start();
    alone.hang(true);
    alone.send(&external("first"));
    alone.wait_begun(1);
    alone.configure(
        "imapd.conf",
        &[("notify_external", "{dir}/prog/other-sendmail")],
    );
    alone.signal(Signal::HUP);
    for i in 0..20 {
        alone.send(&external(&format!("later{i}.")));
    }
    alone.hang(false);
    alone.wait_line("SIGHUP: the configuration was read again");
    alone.wait_run(&["external", "-u first"]);
    for i in 0..20 {
        let user = format!("-u later{i}.");
        alone.wait_run(&[&user]);
        assert_eq!(alone.count_runs(&user), 1);
    }
}

#[test]
fn a_broken_configuration_is_refused_and_the_old_one_goes_on() {
    let mut alone = Alone::start();
    fs::write(alone.path("imapd.conf"), "sendmail /no/colon\n").unwrap();
    alone.signal(Signal::HUP);
    alone.wait_line("SIGHUP: invalid option name on line 1 of configuration file");
    alone.wait_line("going on with the configuration as it was");
    alone.send(&mail("bob"));
    alone.wait_run(&["sendmail -i", "bob@example.org"]);
    // It has not given up: a good file is taken the next time.
    alone.configure("imapd.conf", &[("sendmail", "{dir}/prog/other-sendmail")]);
    alone.signal(Signal::HUP);
    alone.wait_line("SIGHUP: the configuration was read again");
    alone.send(&mail("after"));
    alone.wait_run(&["other-sendmail", "after@example.org"]);
    assert!(alone.running());
}

#[test]
fn each_ending_signal_ends_it_in_order() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let mut alone = Alone::start();
        alone.signal(signal);
        assert_eq!(alone.wait_exit().code(), Some(0));
    }
}

#[test]
fn the_successor_delivers_what_was_left() {
    let mut alone = Alone::start();
    alone.hang(true);
    for i in 0..5 {
        alone.send(&external(&format!("user{i}.")));
    }
    alone.wait_begun(1);
    alone.signal(Signal::TERM);
    // The one under way is ended after the time of grace, and owed again.
    assert_eq!(alone.wait_exit().code(), Some(0));
    assert_eq!(alone.count_runs("user"), 0);
    alone.hang(false);
    alone.spawn_ready();
    for i in 0..5 {
        alone.wait_run(&[&format!("-u user{i}.")]);
    }
    assert_eq!(alone.runs().len(), 5, "each of them once");
}

#[test]
fn sigusr1_switches_debug_lines_on_and_off() {
    let alone = Alone::start();
    // A message file that is not there is worth no more than a debug line.
    let gone = "/no/such/file is not in a staging folder: not kept";
    let mut sent = 0;
    let mut told = || {
        let before = alone.count(gone);
        sent += 1;
        alone.send(&external("alice").fname("/no/such/file"));
        alone.wait_count("status=delivered", sent);
        alone.count(gone) > before
    };
    assert!(!told());
    alone.signal(Signal::USR1);
    wait_for("debug lines", LIMIT, || told().then_some(()));
    alone.signal(Signal::USR1);
    wait_for("silence", LIMIT, || (!told()).then_some(()));
}

/// Two daemons with one spool; the second waits in `second.conf`'s socket.
fn two() -> (Alone, u32, u32) {
    let mut alone = Alone::start();
    let first = alone.pid();
    let changes = [("notifysocket", "{dir}/run/second"), ("debug", "yes")];
    alone.configure("second.conf", &changes);
    let second = alone.spawn_with("second.conf");
    alone.wait_line("another notifyd reads; waiting for it to end");
    (alone, first, second)
}

#[test]
fn a_second_daemon_waits_and_takes_over_from_one_that_was_killed() {
    let (mut alone, first, _) = two();
    alone.hang(true);
    for i in 0..5 {
        alone.send(&external(&format!("user{i}.")));
    }
    alone.send_to("second", &external("waiting."));
    alone.wait_begun(1);
    assert_eq!(
        alone.count(": started: "),
        1,
        "the second one reads as well"
    );
    alone.signal_to(first, Signal::KILL);
    alone.wait_exit_of(first);
    alone.wait_count(": started: ", 2);
    alone.wait_line("1 deliveries were under way when the last process ended");
    alone.hang(false);
    for user in ["user0.", "user1.", "user2.", "user3.", "user4.", "waiting."] {
        alone.wait_run(&[&format!("-u {user}")]);
    }
}

#[test]
fn a_daemon_that_waits_can_be_ended() {
    for signal in [Signal::TERM, Signal::HUP] {
        let (mut alone, first, second) = two();
        alone.signal_to(second, signal);
        assert_eq!(alone.wait_exit_of(second).code(), Some(0));
        alone.send(&mail("bob"));
        alone.wait_run(&["bob@example.org"]);
        alone.signal_to(first, Signal::TERM);
        assert_eq!(alone.wait_exit_of(first).code(), Some(0));
    }
}

#[test]
fn the_spool_is_its_own_users_only() {
    let alone = Alone::start();
    alone.send(&mail("bob"));
    alone.wait_run(&["bob@example.org"]);
    let mode = |below: &str| {
        fs::metadata(alone.path(below))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("conf/notifyd"), 0o700);
    assert_eq!(mode("conf/notifyd/files"), 0o700);
    for file in ["spool.db", "spool.db-wal", "spool.db-shm", "lock"] {
        assert_eq!(mode(&format!("conf/notifyd/{file}")), 0o600, "{file}");
    }
}
