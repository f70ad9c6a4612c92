//! Who has a mail does not get it again, whatever becomes of the delivery: with a sendmail that does as it is told for each
//! recipient.

use super::ctl::{done, wait_queue};
use super::daemon::Alone;
use super::stage::{LIMIT, Note, Signal, note, wait_for};
use std::fs;
use std::process::Command;

/// Takes the mail, writes it down, and then for its recipient: exits with 75 while there is a file `busy-ADDRESS`, and
/// does not exit while there is a file `slow-ADDRESS`.
const SENDMAIL: &str = r#"#!/bin/sh
cd "${0%/*}/.." || exit 1
for to; do :; done
[ -e "busy-$to" ] && exit 75
echo "to $to copy=$(grep -c ^X-Notifyd-Again:)" >"out/.$$" && mv "out/.$$" "out/$$"
while [ -e "slow-$to" ]; do sleep 0.02; done
exit 0
"#;

fn start() -> Alone {
    let mut alone = Alone::new();
    let source = alone.path("sendmail.source");
    fs::write(&source, SENDMAIL).unwrap();
    let mut install = Command::new("install");
    install.args(["-m", "755"]).arg(source);
    install.arg(alone.path("prog/sendmail"));
    assert!(install.status().unwrap().success());
    alone.spawn_ready();
    alone
}

/// One delivery with a mail to each of two.
fn to_both() -> Note {
    let event = r#"{"event":"CalendarAlarm","userId":"alice","action":"email","uid":"u","alarmRecipients":["mailto:fast@x.test","mailto:slow@x.test"]}"#;
    note("mailto").class("EVENT").message(event)
}

/// The mails that the address got, whether each is marked as a copy.
fn got(alone: &Alone, to: &str) -> Vec<bool> {
    let runs = alone.runs().into_iter();
    runs.filter(|run| run.starts_with(&format!("to {to} ")))
        .map(|run| run.contains("copy=1"))
        .collect()
}

fn wait_got(alone: &Alone, to: &str, count: usize) {
    wait_for(&format!("{count} mails to {to}"), LIMIT, || {
        (got(alone, to).len() == count).then_some(())
    });
}

#[test]
fn a_released_delivery_skips_recipients_already_sent() {
    let alone = start();
    fs::write(alone.path("busy-slow@x.test"), "").unwrap();
    alone.send(&to_both());
    let id = wait_queue(&alone, &["--state", "deferred"], 1)[0]["id"].clone();
    done(&alone, &["hold", id.as_str().unwrap()]);
    fs::remove_file(alone.path("busy-slow@x.test")).unwrap();
    done(&alone, &["release", id.as_str().unwrap()]);
    wait_got(&alone, "slow@x.test", 1);
    wait_queue(&alone, &[], 0);
    assert_eq!(got(&alone, "fast@x.test"), [false]);
    assert_eq!(got(&alone, "slow@x.test"), [false]);
}

/// The counter of attempts is set back by a cut; who has the mail has it all the same.
#[test]
fn a_cut_sendmail_may_have_passed_the_mail_on() {
    let mut alone = start();
    fs::write(alone.path("slow-slow@x.test"), "").unwrap();
    alone.send(&to_both());
    for count in 1..3 {
        wait_got(&alone, "slow@x.test", count);
        alone.signal(Signal::TERM);
        assert!(alone.wait_exit().success());
        alone.spawn_ready();
    }
    let failed = wait_queue(&alone, &["--state", "failed"], 1);
    let why = failed[0]["error"].as_str().unwrap();
    assert!(
        why.contains("slow@x.test: the answer was lost twice"),
        "{why}"
    );
    assert_eq!(got(&alone, "fast@x.test"), [false]);
    let mut slow = got(&alone, "slow@x.test");
    slow.sort_unstable();
    assert_eq!(slow, [false, true]);
    // Then it is the operator's.
    fs::remove_file(alone.path("slow-slow@x.test")).unwrap();
    done(&alone, &["retry", failed[0]["id"].as_str().unwrap()]);
    wait_got(&alone, "slow@x.test", 3);
    wait_queue(&alone, &[], 0);
    assert_eq!(got(&alone, "fast@x.test"), [false]);
}

#[test]
fn a_killed_daemon_sends_once_more_what_was_under_way_and_nothing_else() {
    let mut alone = start();
    fs::write(alone.path("slow-slow@x.test"), "").unwrap();
    alone.send(&to_both());
    wait_got(&alone, "slow@x.test", 1);
    alone.signal(Signal::KILL);
    alone.wait_exit();
    fs::remove_file(alone.path("slow-slow@x.test")).unwrap();
    alone.spawn_ready();
    wait_got(&alone, "slow@x.test", 2);
    wait_queue(&alone, &[], 0);
    assert_eq!(got(&alone, "fast@x.test"), [false]);
    let mut slow = got(&alone, "slow@x.test");
    slow.sort_unstable();
    assert_eq!(slow, [false, true]);
}
