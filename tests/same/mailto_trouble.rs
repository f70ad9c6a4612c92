//! Method `mailto`: sendmail's surroundings, and a sendmail that gives trouble.

use super::fence_that_may_kill_stock;
use super::stage::{LIMIT, Note, Notifyd, Setup, note, ours, wait_for};

fn to(address: &str) -> Note {
    note("mailto").class("C").option(address).message("m")
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn user_groups_umask_directory() {
    let n = Notifyd::start();
    let run = n.mail(&to("bob@example.org"));
    let user = nix::unistd::User::from_name("cyrus").unwrap().unwrap();
    let (uid, gid) = (i64::from(user.uid.as_raw()), i64::from(user.gid.as_raw()));
    assert_eq!(run.ids, [uid, uid, gid, gid]);
    assert!(
        run.groups.contains(&gid) && !run.groups.contains(&0),
        "{:?}",
        run.groups
    );
    assert_eq!(run.umask, 0o077);
    assert_eq!(run.cwd, n.path("conf"));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn environment_is_the_daemons() {
    let n = Setup::new().env("LANG", "de_DE.UTF-8").start();
    let mut env = n.mail(&to("bob@example.org")).env;
    let environ = std::fs::read(format!("/proc/{}/environ", n.pid())).unwrap();
    let mut daemon: Vec<Vec<u8>> = environ
        .split(|b| *b == 0)
        .filter(|v| !v.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    env.sort();
    daemon.sort();
    assert!(
        env.contains(&b"LANG=de_DE.UTF-8".to_vec())
            && env.contains(&b"CYRUS_SERVICE=notify".to_vec())
    );
    assert_eq!(env, daemon);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn signals_are_as_usual() {
    let n = Notifyd::start();
    let run = n.mail(&to("bob@example.org"));
    assert_eq!(run.blocked, 0);
    // SIGHUP 1, SIGINT 2, SIGQUIT 3, SIGUSR1 10, SIGPIPE 13, SIGTERM 15, SIGCHLD 17
    for signal in [1, 2, 3, 10, 13, 15, 17] {
        assert_eq!(
            run.ignored & (1 << (signal - 1)),
            0,
            "signal {signal} is ignored"
        );
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn descriptors() {
    let n = Notifyd::start();
    let run = n.mail(&to("bob@example.org"));
    assert!(run.fds[&0].starts_with("pipe:"), "{:?}", run.fds);
    if ours() {
        // Stock gives it the notify socket as stdout, and its lock file: what sendmail prints would come back as a notification.
        assert_eq!(
            run.fds.keys().collect::<Vec<_>>(),
            [&0, &1, &2],
            "{:?}",
            run.fds
        );
        assert!(
            !run.fds.values().any(|to| to.starts_with("socket:")),
            "{:?}",
            run.fds
        );
    } else {
        assert!(run.fds[&1].starts_with("socket:"), "{:?}", run.fds);
        assert!(
            run.fds.values().any(|to| to.ends_with("/notify-0.lock")),
            "{:?}",
            run.fds
        );
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn process_group() {
    let n = Notifyd::start();
    let run = n.mail(&to("bob@example.org"));
    // In a group of its own it can be ended together with all that it started.
    assert_eq!(run.pgid == run.pid, ours());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn failing_sendmail() {
    let mut n = Notifyd::start();
    n.sendmail.set("exitcode", 1.0);
    n.mail(&to("bob@example.org"));
    n.sendmail.set("exitcode", 0.0);
    n.mail(&to("carol@example.org"));
    // 1 is not worth another try: once each, in both.
    assert_eq!(n.fence_mailto().len(), 2);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn sendmail_that_dies_of_a_signal() {
    let mut n = Notifyd::start();
    n.sendmail.set("signal", 9.0);
    n.mail(&to("bob@example.org"));
    n.sendmail.set("signal", 0.0);
    n.mail(&to("carol@example.org"));
    n.fence_log();
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn sendmail_that_does_not_read() {
    let mut n = Notifyd::start();
    n.sendmail.set("nostdin", 1.0);
    // Long enough that even stock, which dies of SIGPIPE, has written all before the pipe is closed.
    n.sendmail.set("delay", 0.3);
    n.mail(
        &note("mailto")
            .class("C")
            .option("bob@example.org")
            .message("x".repeat(15_000)),
    );
    n.fence_log();
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn sendmail_that_talks_a_lot() {
    let mut n = Notifyd::start();
    n.sendmail.set("flood", 2e6);
    n.mail(&to("bob@example.org"));
    n.mail(&to("carol@example.org"));
    n.fence_log();
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn sendmail_that_leaves_a_child_behind() {
    let mut n = Notifyd::start();
    n.sendmail.set("fork", 120.0);
    n.mail(&to("bob@example.org"));
    n.sendmail.set("fork", 0.0);
    n.mail(&to("carol@example.org"));
    n.fence_log();
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn slow_sendmail() {
    let mut n = Notifyd::start();
    n.sendmail.set("delay", 0.3);
    for i in 0..4 {
        n.notify(&to(&format!("bob{i}@example.org")));
    }
    n.sendmail.wait_count(4);
    let mut to: Vec<String> = n.mails().iter().map(|run| run.args()[5].clone()).collect();
    to.sort();
    assert_eq!(to, [0, 1, 2, 3].map(|i| format!("bob{i}@example.org")));
    n.fence_log();
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn missing_sendmail() {
    let mut n = Setup::new()
        .conf("sendmail", "{dir}/prog/no-such-sendmail")
        .start();
    n.notify(&to("bob@example.org"));
    fence_that_may_kill_stock(&mut n);
    if ours() {
        // Stock says nothing at all.
        n.log.wait("the missing program", |r| {
            super::complaint(r) && r.has("no-such-sendmail")
        });
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn sendmail_that_is_not_executable() {
    let mut n = Setup::new().conf("sendmail", "{dir}/imapd.conf").start();
    n.notify(&to("bob@example.org"));
    fence_that_may_kill_stock(&mut n);
    if ours() {
        n.log.wait("the useless program", |r| {
            super::complaint(r) && r.has("imapd.conf")
        });
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn sendmail_with_arguments_in_the_value() {
    // A path, not a command line: there is no file of that name.
    let mut n = Setup::new()
        .conf("sendmail", "{dir}/prog/sendmail -v")
        .start();
    n.notify(&to("bob@example.org"));
    fence_that_may_kill_stock(&mut n);
    assert_eq!(n.sendmail.started().len(), 0);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_zombie_stays() {
    let mut n = Notifyd::start();
    for _ in 0..3 {
        n.mail(&to("bob@example.org"));
    }
    n.fence_mailto();
    let tasks = format!("/proc/{}/task", n.pid());
    // Ours may start programs in a thread: no child of any thread may be left.
    wait_for("all children gone", LIMIT, || {
        let mut threads = std::fs::read_dir(&tasks)
            .unwrap()
            .map(|t| t.unwrap().path().join("children"));
        threads
            .all(|children| {
                std::fs::read_to_string(children)
                    .unwrap_or_default()
                    .trim()
                    .is_empty()
            })
            .then_some(())
    });
}
