//! `notifyctl stats`, with a daemon, without one, and after one.

use super::daemon::{Alone, external};
use super::stage::{LIMIT, Signal, note, wait_for};
use serde_json::Value;
use std::process::Command;

fn stats(alone: &Alone, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_notifyctl"))
        .arg("stats")
        .args(args)
        .arg("-C")
        .arg(alone.path("imapd.conf"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(alone: &Alone) -> Value {
    let text = stats(alone, &["--json"]);
    assert_eq!(text.lines().count(), 1);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn counts_are_there_while_it_runs_and_after_it() {
    let mut alone = Alone::new();
    let before = json(&alone);
    assert_eq!(
        before,
        serde_json::json!({"running": false, "daemon": null, "queue": {}})
    );
    assert!(stats(&alone, &[]).contains("does not run"));
    assert!(
        !alone.path("conf/notifyd").exists(),
        "looking makes nothing"
    );

    alone.configure("imapd.conf", &[("notify_external", "/bin/false")]);
    alone.spawn_ready();
    alone.send(&note("null"));
    alone.send(&external("alice"));
    let during = wait_for("the counts", LIMIT, || {
        let all = json(&alone);
        (all["daemon"]["methods"]["external"]["failed"] == 1).then_some(all)
    });
    assert_eq!(during["running"], true);
    assert_eq!(during["daemon"]["pid"], alone.pid());
    assert_eq!(during["daemon"]["received"], 2);
    assert_eq!(during["daemon"]["methods"]["null"]["delivered"], 1);
    assert_eq!(during["queue"]["external"]["failed"], 1);
    assert_eq!(during["queue"]["external"]["oldest_due"], Value::Null);

    alone.send(&note("null"));
    alone.signal(Signal::TERM);
    assert!(alone.wait_exit().success());
    let after = json(&alone);
    assert_eq!(
        (&after["running"], &after["daemon"]["received"]),
        (&false.into(), &3.into())
    );
    let text = stats(&alone, &[]);
    assert!(
        text.starts_with(concat!(
            "notifyd does not run; the last one (",
            env!("CARGO_PKG_VERSION"),
            ", process "
        )),
        "{text}"
    );
    let row = |name: &str, cells: &[&str]| {
        text.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(name) && words.eq(cells.iter().copied())
        })
    };
    assert!(row("received", &["3"]), "{text}");
    assert!(
        row("external", &["1", "1", "0", "0", "0", "1", "0", "0"]),
        "{text}"
    );
    assert!(row("external", &["0", "0", "0", "0", "1", "-"]), "{text}");

    // The next one begins anew.
    alone.spawn_ready();
    wait_for("counts at 0", LIMIT, || {
        (json(&alone)["daemon"]["received"] == 0).then_some(())
    });
}

#[test]
fn killed_it_leaves_its_last_counts() {
    let mut alone = Alone::start();
    alone.send(&note("null"));
    wait_for("the counts", LIMIT, || {
        (json(&alone)["daemon"]["received"] == 1).then_some(())
    });
    alone.signal(Signal::KILL);
    alone.wait_exit();
    let after = json(&alone);
    assert_eq!(
        (&after["running"], &after["daemon"]["received"]),
        (&false.into(), &1.into())
    );
}
