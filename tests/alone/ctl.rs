//! notifyctl on a live spool: what it shows, and what it does.

use super::daemon::{Alone, external, mail};
use super::stage::{LIMIT, wait_for};
use serde_json::Value;
use std::process::Command;

/// Exit code, standard output, standard error.
pub(super) fn call(alone: &Alone, args: &[&str]) -> (Option<i32>, String, String) {
    let conf = alone.path("imapd.conf");
    let output = Command::new(env!("CARGO_BIN_EXE_notifyctl"))
        .args(args)
        .args(["-C", conf.to_str().unwrap()])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Standard output of a call that goes well.
pub(super) fn done(alone: &Alone, args: &[&str]) -> String {
    let (code, out, err) = call(alone, args);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}: {out}");
    out
}

/// The deliveries that `queue --json` lists with these filters.
pub(super) fn queue(alone: &Alone, filters: &[&str]) -> Vec<Value> {
    let out = done(alone, &[&["queue", "--json"], filters].concat());
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(super) fn wait_queue(alone: &Alone, filters: &[&str], count: usize) -> Vec<Value> {
    wait_for(&format!("{count} deliveries {filters:?}"), LIMIT, || {
        Some(queue(alone, filters)).filter(|rows| rows.len() == count)
    })
}

/// A daemon that owes one delivery to a program that does not exist.
fn with_one_deferred() -> (Alone, String) {
    let mut alone = Alone::new();
    alone.configure("imapd.conf", &[("notify_external", "/no/such/program")]);
    alone.spawn_ready();
    alone.send(&external("alice"));
    let rows = wait_queue(&alone, &["--state", "deferred"], 1);
    let id = rows[0]["id"].as_str().unwrap().to_owned();
    (alone, id)
}

#[test]
fn nothing_is_owed_where_there_is_no_spool() {
    let alone = Alone::new();
    assert_eq!(done(&alone, &["queue"]), "0 deliveries\n");
    assert_eq!(done(&alone, &["flush"]), "0 deliveries due now\n");
    assert_eq!(call(&alone, &["show", "1"]).0, Some(1));
    assert!(
        !alone.path("conf/notifyd").exists(),
        "looking makes nothing"
    );
}

#[test]
fn what_is_owed_is_listed_and_shown() {
    let (alone, id) = with_one_deferred();
    let rows = queue(&alone, &["--user", "alice", "--method", "external"]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["attempts"], 1);
    assert!(
        rows[0]["error"]
            .as_str()
            .unwrap()
            .contains("/no/such/program")
    );
    assert!(queue(&alone, &["--user", "bob"]).is_empty());
    assert!(queue(&alone, &["--older", "1h"]).is_empty());
    let table = done(&alone, &["queue"]);
    assert!(
        table.starts_with("ID ") && table.contains(&id) && table.ends_with("1 delivery\n"),
        "{table}"
    );
    let shown = done(&alone, &["show", &id]);
    for part in [
        "method     external",
        "state      deferred",
        "user       alice",
        "cannot run /no/such/program",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let whole: Value = serde_json::from_str(&done(&alone, &["show", "--json", &id])).unwrap();
    assert_eq!(whole["user"], "alice");
    let ages = done(&alone, &["age"]);
    assert!(
        ages.lines()
            .any(|line| line.split_whitespace().take(3).eq(["external", "1", "1"])),
        "{ages}"
    );
}

#[test]
fn what_is_on_hold_waits_and_what_is_released_goes() {
    let (mut alone, id) = with_one_deferred();
    assert_eq!(done(&alone, &["hold", &id]), "1 delivery put on hold\n");
    alone.configure("imapd.conf", &[]);
    alone.signal(super::stage::Signal::HUP);
    alone.wait_line("the configuration was read again");
    // Another one, which goes at once, shows that the dispatcher has looked.
    alone.send(&external("bob"));
    alone.wait_run(&["-u bob"]);
    assert_eq!(alone.count_runs("-u alice"), 0);
    assert_eq!(
        wait_queue(&alone, &["--state", "hold"], 1)[0]["id"],
        id.as_str()
    );
    assert_eq!(done(&alone, &["release", &id]), "1 delivery released\n");
    alone.wait_run(&["-u alice"]);
    wait_queue(&alone, &[], 0);
    assert!(alone.running());
}

/// Whatever else is due when: here both are due in an hour, and the method's queue is not empty.
#[test]
fn what_is_changed_is_seen_at_once() {
    let mut alone = Alone::new();
    super::toml::write_with(
        &alone,
        "[method.external]\nfirst = '1h'\n",
        &[("notify_external", "{dir}/prog/late")],
    );
    alone.spawn_ready();
    for user in ["alice", "bob", "carol", "dave"] {
        alone.send(&external(user));
    }
    wait_queue(&alone, &["--state", "deferred"], 4);
    std::fs::rename(alone.path("prog/external"), alone.path("prog/late")).unwrap();
    assert_eq!(
        done(&alone, &["retry", "--user", "alice"]),
        "1 delivery due now\n"
    );
    alone.wait_run(&["-u alice"]);
    done(&alone, &["hold", "--user", "bob"]);
    done(&alone, &["release", "--user", "bob"]);
    alone.wait_run(&["-u bob"]);
    assert_eq!(wait_queue(&alone, &["--state", "deferred"], 2).len(), 2);
    assert_eq!(done(&alone, &["flush"]), "2 deliveries due now\n");
    alone.wait_run(&["-u carol"]);
    alone.wait_run(&["-u dave"]);
    wait_queue(&alone, &[], 0);
}

#[test]
fn what_failed_can_be_tried_again() {
    let mut alone = Alone::new();
    alone.configure("imapd.conf", &[("sendmail", "/bin/false")]);
    alone.spawn_ready();
    alone.send(&mail("carol"));
    wait_queue(&alone, &["--state", "failed"], 1);
    alone.configure("imapd.conf", &[]);
    alone.signal(super::stage::Signal::HUP);
    alone.wait_line("the configuration was read again");
    assert_eq!(
        done(&alone, &["retry", "--state", "failed"]),
        "1 delivery due now\n"
    );
    alone.wait_run(&["carol@example.org"]);
    wait_queue(&alone, &[], 0);
}

#[test]
fn nothing_is_deleted_by_a_slip() {
    let (alone, _) = with_one_deferred();
    let (code, _, err) = call(&alone, &["delete"]);
    assert_eq!(code, Some(64));
    assert!(err.contains("which deliveries?"), "{err}");
    assert_eq!(
        done(&alone, &["delete", "--all", "--dry-run"]),
        "1 delivery would be deleted\n"
    );
    assert_eq!(queue(&alone, &[]).len(), 1);
    assert_eq!(
        done(&alone, &["delete", "--user", "alice"]),
        "1 delivery deleted\n"
    );
    assert!(queue(&alone, &[]).is_empty());
}

#[test]
fn mistakes_are_named() {
    let alone = Alone::new();
    for (args, what) in [
        (
            &["queue", "--state", "lost"][..],
            "no state 'lost'; there are: incoming, active",
        ),
        (
            &["queue", "--method", "mail"],
            "no method 'mail'; there are: null, log",
        ),
        (
            &["queue", "--older", "soon"],
            "--older: 'soon' is not an age",
        ),
        (&["queue", "--nonsense"], "unknown option --nonsense"),
        (&["show", "x12"], "'x12' is not the id of a delivery"),
        (&["show"], "which delivery?"),
    ] {
        let (code, out, err) = call(&alone, args);
        assert_eq!((code, out.as_str()), (Some(64), ""), "{args:?}");
        assert!(err.contains(what), "{args:?}: {err}");
    }
}

#[test]
fn it_works_without_a_daemon_and_leaves_no_file_of_its_own_user() {
    use std::os::unix::fs::MetadataExt;
    let (mut alone, id) = with_one_deferred();
    alone.signal(super::stage::Signal::TERM);
    alone.wait_exit();
    assert_eq!(queue(&alone, &[]).len(), 1);
    assert_eq!(done(&alone, &["hold", &id]), "1 delivery put on hold\n");
    let folder = alone.path("conf/notifyd");
    let owner = std::fs::metadata(folder.join("spool.db")).unwrap().uid();
    for entry in std::fs::read_dir(folder).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().uid(), owner);
    }
}

#[test]
fn send_finds_the_socket_and_speaks_its_form() {
    for (socket, said) in [
        ("{dir}/run/notify", "sent to "),
        ("dlist:{dir}/run/notify", "notifyd at "),
    ] {
        let mut alone = Alone::new();
        alone.configure("imapd.conf", &[("notifysocket", socket)]);
        let (code, _, err) = call(&alone, &["send", "--user", "alice", "text"]);
        assert_eq!(code, Some(69));
        assert!(err.contains("/run/notify: does not exist"), "{err}");
        alone.spawn_ready();
        let line = [
            "send",
            "--method",
            "mailto",
            "--option",
            "bob@example.org",
            "--user",
            "alice",
            "text",
        ];
        let out = done(&alone, &line);
        assert!(out.starts_with(said), "{out}");
        alone.wait_run(&["bob@example.org"]);
    }
}

/// Five commands go round beside 5,000 deliveries: none of them ends for want of a lock, and nothing is lost.
#[test]
fn the_tool_waits_and_the_senders_do_not() {
    let mut alone = Alone::new();
    super::toml::write_with(
        &alone,
        "[spool]\nmax_rows = 100000\n[method.external]\nfirst = '1h'\n",
        &[("notify_external", "/no/such/program")],
    );
    alone.spawn_ready();
    let longest = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut longest = std::time::Duration::ZERO;
            for n in 0..5000 {
                let begun = std::time::Instant::now();
                alone.send(&external(if n % 50 == 0 { "alice" } else { "bob" }));
                longest = longest.max(begun.elapsed());
            }
            longest
        });
        let mut rounds = 0;
        while rounds < 50 && !(rounds >= 5 && sender.is_finished()) {
            for args in [
                &["retry", "--all"][..],
                &["hold", "--user", "bob"],
                &["queue", "--json", "--user", "alice"],
                &["release", "--all"],
                &["delete", "--user", "alice", "--state", "deferred"],
            ] {
                done(&alone, args);
            }
            rounds += 1;
        }
        sender.join().unwrap()
    });
    println!("longest send: {longest:?}");
    wait_for("the last delivery", LIMIT, || {
        (queue(&alone, &["--user", "bob"]).len() == 4900).then_some(())
    });
    assert_eq!(alone.count("cannot"), alone.count("cannot run"));
}
