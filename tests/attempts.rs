//! Attempts that go wrong, and the programs they run: nobody gets half a mail, nobody is held up, nothing is left behind.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod stage;

use rustix::process::{Pid, kill_process};
use stage::{LIMIT, Note, Notifyd, Setup, Signal, note, wait_for};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

/// Puts a script at `prog/NAME` of the stage.
fn script(n: &Notifyd, name: &str, text: &str) {
    let path = n.path("prog").join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// A stage whose external program is the script `prog/script`, with this notifyd.toml.
fn scripted(setup: Setup, toml: &str, text: &str) -> Notifyd {
    let setup = setup
        .conf("notify_external", "{dir}/prog/script")
        .conf("notifyd_config", "{dir}/notifyd.toml");
    let mut n = setup.build();
    fs::write(n.path("notifyd.toml"), toml).unwrap();
    script(&n, "script", text);
    n.spawn();
    n
}

fn external(user: &str) -> Note {
    note("external").class("N").user(user).message("m")
}

/// Runs `notifyctl` on the stage's spool; what it says.
fn ctl(n: &Notifyd, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notifyctl"));
    let output = command
        .args(arguments)
        .arg("-C")
        .arg(n.path("imapd.conf"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Message number `i`: of 4 MB each twenty times, else small.
fn text(i: usize) -> String {
    let size = if i.is_multiple_of(20) { 4 << 20 } else { 100 };
    format!("n{i}n{}z", "x".repeat(size))
}

/// What programs have read to the end since the last call: the number in the text, and the text.
fn received(folder: &Path) -> Vec<(usize, String)> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let whole = entries.filter(|path| path.extension().is_some_and(|end| end == "in"));
    let number = |text: &str| text.split('n').nth(1).and_then(|n| n.parse().ok());
    whole
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            fs::remove_file(path).unwrap();
            (number(&text).expect("an empty or cut input"), text)
        })
        .collect()
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_program_reads_half_of_its_input() {
    const ALL: usize = 400;
    // It reads at leisure, and writes down what it has read when it has read all.
    let slow = "#!/bin/sh\nto=${0%/*}/../spool/$$\nsleep 0.02\n\
                { dd bs=1000 count=1 2>/dev/null; sleep 0.02; cat; } >\"$to\" && mv \"$to\" \"$to.$(date +%N).in\"\n";
    let mut n = scripted(
        Setup::new().stream(),
        "[method.external]\npermits = 8\n",
        slow,
    );
    let folder = n.path("spool");
    let mut came = vec![false; ALL];
    let mut look = || {
        let new = received(&folder);
        for (i, read) in &new {
            assert!(*read == format!("{}\n", text(*i)), "number {i} was cut");
            came[*i] = true;
        }
        (new.len(), came.iter().all(|came| *came))
    };
    for i in 0..ALL {
        let request = format!(
            "NOTIFY %(METHOD external CLASS N PRIORITY NIL USER u MAILBOX NIL OPTIONS () MESSAGE {} FILEPATH NIL)\r\n",
            text(i)
        );
        assert_eq!(n.converse(request.as_bytes()).unwrap(), b"OK %()\r\n");
        if i % 20 == 19 {
            wait_for("some progress", LIMIT, || (look().0 > 0).then_some(()));
            n.signal(Signal::KILL);
            n.wait_exit();
            n.spawn();
            n.wait_ready();
        }
    }
    wait_for("all of them", LIMIT * 4, || look().1.then_some(()));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn what_the_service_manager_says_is_for_us_alone() {
    let names = [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "CREDENTIALS_DIRECTORY",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "MAINPID",
    ];
    let setup = names.iter().fold(Setup::new(), |setup, name| {
        setup.env(name, "/nonexistent/1")
    });
    let n = setup.env("LANG", "de_DE.UTF-8").start();
    let runs = [
        n.run_external(&external("u")),
        n.mail(
            &note("mailto")
                .class("C")
                .option("bob@example.org")
                .message("m"),
        ),
    ];
    for run in runs {
        let passed: Vec<String> = run
            .env
            .iter()
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect();
        assert!(passed.contains(&"LANG=de_DE.UTF-8".to_owned()));
        for name in names {
            let start = format!("{name}=");
            assert!(
                !passed.iter().any(|value| value.starts_with(&start)),
                "{name}"
            );
        }
    }
}

/// As Exim's sendmail, or a wrapper of qmail: who is another user wholly is not ours to kill.
#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_program_that_cannot_be_killed_holds_nothing_up() {
    let hangs = "#!/bin/sh\nif [ \"$6\" = hang ]; then exec \"${0%/*}/become\" --reuid=65534 --clear-groups sleep 1000; fi\n\
                 cat >/dev/null; echo >\"${0%/*}/../spool/$6\"\n";
    let mut n = scripted(Setup::new(), "[method.external]\ntimeout = '1s'\n", hangs);
    let become_other = n.path("prog/become");
    fs::copy("/usr/bin/setpriv", &become_other).unwrap();
    chown(&become_other, Some(0), None).unwrap();
    fs::set_permissions(&become_other, PermissionsExt::from_mode(0o4755)).unwrap();
    n.notify(&external("hang"));
    n.notify(&external("after"));
    let line = n.log.wait("the loud line", |r| {
        r.severity() == 3 && r.has("could not be killed: ")
    });
    let line = String::from_utf8_lossy(&line.text).into_owned();
    assert!(
        line.contains("prog/script") && line.contains("end it as root"),
        "{line}"
    );
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "process").unwrap();
    let pid = Pid::from_raw(words[at + 1].parse().unwrap()).unwrap();
    wait_for("who comes after", LIMIT, || {
        n.path("spool/after").exists().then_some(())
    });
    n.log.wait("the outcome", |r| {
        r.has("user=hang") && r.has("status=deferred") && r.has("runs on as process")
    });
    kill_process(pid, Signal::KILL).unwrap();
    n.log
        .wait("its end", |r| r.has("which could not be killed, has ended"));
    n.signal(Signal::TERM);
    assert!(n.wait_exit().success());
}

/// The id at the start of a line of the log.
fn id_of(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    line.split(':').next().unwrap().to_owned()
}

/// A notification that kills whoever delivers it is put on hold. What was under way beside it each time is not.
#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn what_kills_the_daemon_goes_on_hold_and_all_else_is_delivered() {
    let kills = "#!/bin/sh\nif [ \"$6\" = poison ] && [ ! -e \"${0%/*}/../spool/cured\" ]; then kill -9 $PPID; fi\n\
                 cat >/dev/null; sleep 0.3; echo >>\"${0%/*}/../spool/$6\"\n";
    let toml = "[method.external]\npermits = 4\n";
    let setup = Setup::new()
        .conf("notify_external", "{dir}/prog/script")
        .conf("notifyd_config", "{dir}/notifyd.toml");
    let mut n = setup.build();
    fs::write(n.path("notifyd.toml"), toml).unwrap();
    script(&n, "script", kills);
    for user in ["a", "b", "poison", "c", "d", "e"] {
        n.notify(&external(user));
    }
    for death in 1..=3 {
        n.spawn();
        let status = n.wait_exit();
        assert_eq!(status.signal(), Some(9), "death {death}");
    }
    n.spawn();
    let held = n.log.wait("the delivery on hold", |r| {
        r.severity() == 3 && r.has("user=poison") && r.has("status=held")
    });
    let id = id_of(&held.text);
    assert!(held.has(&format!("notifyctl release {id} or notifyctl delete {id}")));
    for user in ["a", "b", "c", "d", "e"] {
        wait_for(user, LIMIT, || {
            n.path("spool").join(user).exists().then_some(())
        });
    }
    n.fence_log();
    assert!(n.running());
    let queue = ctl(&n, &["queue", "--state", "hold"]);
    assert!(
        queue.contains(&id) && queue.contains("the daemon died in 3"),
        "{queue}"
    );
    assert!(ctl(&n, &["show", &id]).contains("the daemon died in 3"));
    // Released it has as many chances as a new one.
    fs::write(n.path("spool/cured"), "").unwrap();
    ctl(&n, &["release", &id]);
    wait_for("the released one", LIMIT, || {
        n.path("spool/poison").exists().then_some(())
    });
}

/// What was under way counts only when the process dies in it.
#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn an_orderly_end_is_no_crash() {
    let mut n = Notifyd::start();
    n.external.set("hold", 1.0);
    n.notify(&external("u"));
    for start in 1..=4 {
        n.external.wait_started(start);
        n.signal(Signal::TERM);
        assert!(n.wait_exit().success());
        n.spawn();
    }
    n.external.set("hold", 0.0);
    n.external.wait_count(1);
    assert_eq!(n.log.count(|r| r.has("status=held")), 0);
}

/// What `/healthz` says.
fn health(n: &Notifyd) -> String {
    let mut stream = UnixStream::connect(n.path("conf/metrics")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// A kept message that cannot be read, as on a disk that hangs: nothing ends such an attempt.
#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn an_attempt_that_hangs_in_composing_holds_up_nobody_and_shows() {
    let toml = "[method.mailto]\ntimeout = '1s'\npermits = 1\n[metrics]\nlisten = 'unix:{dir}/conf/metrics'\n";
    let mut n = Setup::new()
        .conf("notifyd_config", "{dir}/notifyd.toml")
        .build();
    let toml = toml.replace("{dir}", n.dir().to_str().unwrap());
    fs::write(n.path("notifyd.toml"), toml).unwrap();
    n.spawn();
    let mail = |to: &str| note("mailto").class("C").option(to).message("m");
    n.sendmail.set("exitcode", 75.0);
    n.mail(&mail("hangs@example.org"));
    let line = n
        .log
        .wait("the first attempt", |r| r.has("status=deferred"));
    n.sendmail.set("exitcode", 0.0);
    let id = id_of(&line.text);
    let kept = n.spool().join("files").join(&id);
    let made = Command::new("mkfifo")
        .args(["-m", "666"])
        .arg(&kept)
        .status();
    assert!(made.unwrap().success());
    assert_eq!(health(&n), "ready\n");
    ctl(&n, &["retry", &id]);
    n.log.wait("the line", |r| {
        r.severity() == 3 && r.has(&format!("{id}: an attempt is abandoned"))
    });
    // The only permit is free again.
    n.mail(&mail("other@example.org"));
    let text = health(&n);
    assert!(
        text.starts_with(
            "degraded\nstuck: attempts go on long past their time limit: 1 of method mailto"
        ),
        "{text}"
    );
    wait_for("the count", LIMIT, || {
        let stats = ctl(&n, &["stats", "--json"]);
        stats.contains("\"stuck\":1").then_some(())
    });
    // When the disk comes back, the late end of the attempt neither sends the mail nor ends the delivery.
    let writer = File::options().write(true).open(&kept).unwrap();
    fs::remove_file(&kept).unwrap();
    drop(writer);
    wait_for("all is well again", LIMIT, || {
        (health(&n) == "ready\n").then_some(())
    });
    n.log.wait("its end", |r| {
        r.has(&format!("{id}: an abandoned attempt has ended"))
    });
    ctl(&n, &["retry", &id]);
    let to = b"hangs@example.org".to_vec();
    wait_for("the mail", LIMIT, || {
        let runs = n.sendmail.runs();
        (runs
            .iter()
            .filter(|run| run.argv.last() == Some(&to))
            .count()
            == 2)
            .then_some(())
    });
    n.signal(Signal::TERM);
    assert!(n.wait_exit().success());
}
