//! Choosing the method: its name, the default, the unknown; and method `null`.

use super::complaint;
use super::stage::{Notifyd, Setup, note, ours};

/// Nothing came out of what was sent before.
fn nothing(n: &mut Notifyd) {
    assert_eq!(n.fence_mailto().len(), 0);
    assert_eq!(n.fence_external().len(), 0);
    n.fence_log();
    assert!(!n.records().iter().any(|r| r.has("secret")));
    assert!(n.running());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn null() {
    let mut n = Notifyd::start();
    n.notify(
        &note("null")
            .class("C")
            .user("alice")
            .option("bob@example.org")
            .message("secret")
            .fname("/f"),
    );
    nothing(&mut n);
    assert_eq!(n.records().iter().filter(|r| complaint(r)).count(), 0);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn names_are_compared_without_case() {
    let mut n = Notifyd::start();
    n.logs(&note("LOG").class("C").message("1"), "C, , , ,  \"1\"");
    n.logs(&note("lOg").class("C").message("2"), "C, , , ,  \"2\"");
    n.run_external(&note("EXTERNAL").class("C"));
    n.mail(&note("MailTo").class("C").option("bob@example.org"));
    n.notify(&note("Null").class("C").message("secret"));
    n.fence_log();
    assert!(!n.records().iter().any(|r| r.has("secret")));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn default_is_null() {
    let mut n = Notifyd::start();
    n.notify(
        &note("")
            .class("C")
            .user("alice")
            .option("bob@example.org")
            .message("secret"),
    );
    nothing(&mut n);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn default_set_by_m() {
    let n = Setup::new().args(&["-m", "log"]).start();
    n.logs(&note("").class("C").message("hello"), "C, , , ,  \"hello\"");
    // It is for the empty name only.
    n.run_external(&note("external").class("C"));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn default_set_to_external() {
    let n = Setup::new().args(&["-m", "external"]).start();
    n.run_external(&note("").class("C").message("hello"));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn default_set_to_mailto() {
    let n = Setup::new().args(&["-m", "mailto"]).start();
    n.mail(
        &note("")
            .class("C")
            .option("bob@example.org")
            .message("hello"),
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn m_without_case() {
    let n = Setup::new().args(&["-m", "LOG"]).start();
    n.logs(&note("").class("C").message("hello"), "C, , , ,  \"hello\"");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn last_m_counts() {
    let n = Setup::new().args(&["-m", "external", "-m", "log"]).start();
    n.logs(&note("").class("C").message("hello"), "C, , , ,  \"hello\"");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn unknown_m() {
    let mut n = Setup::new().args(&["-m", "no-such-method"]).start();
    if ours() {
        // Loud, as it is an administrator's mistake; but a service that ends is disabled by master.
        n.log.wait("the list of methods", |r| {
            r.has("no-such-method")
                && ["null", "log", "mailto", "zephyr", "external"]
                    .iter()
                    .all(|m| r.has(m))
        });
    }
    n.notify(&note("").class("C").message("secret"));
    if !ours() {
        nothing(&mut n);
    }
    n.run_external(&note("external").class("C"));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn words_that_mean_nothing() {
    for args in [
        &["extra"][..],
        &["extra", "-m", "log"],
        &["-m", "log", "--", "x"],
        &["--", "x"],
    ] {
        let n = Setup::new().args(args).start();
        n.run_external(&note("external").class("C"));
        if args.contains(&"-m") {
            n.logs(&note("").class("C").message("hello"), "C, , , ,  \"hello\"");
        }
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn unknown_option() {
    let mut n = Setup::new().args(&["-Z"]).start();
    assert_eq!(n.wait_exit().code(), Some(64));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn merged_option() {
    let mut n = Setup::new().args(&["-mlog"]).start();
    assert_eq!(n.wait_exit().code(), Some(64));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn m_without_a_name() {
    let mut n = Setup::new().args(&["-m"]).start();
    assert_eq!(n.wait_exit().code(), Some(64));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn options_of_masters_services_are_taken() {
    // -U (uses) and -T (seconds of idling) are for every service; this one never returns from its work, so they do nothing.
    let mut n = Setup::new()
        .args(&["-U", "1", "-T", "1", "-m", "log"])
        .start();
    n.logs(&note("").class("C").message("1"), "C, , , ,  \"1\"");
    n.logs(&note("").class("C").message("2"), "C, , , ,  \"2\"");
    assert!(n.running());
}

/// Sends `name` three times: nothing comes out, and ours says so once.
fn unknown(name: &str) {
    let mut n = Notifyd::start();
    for _ in 0..3 {
        n.notify(
            &note(name)
                .class("C")
                .user("alice")
                .option("bob@example.org")
                .message("secret"),
        );
    }
    nothing(&mut n);
    let records = n.records();
    if ours() {
        // Stock is silent, and the administrator looks for his notifications. One a name and minute is enough.
        let complaints: Vec<_> = records.iter().filter(|r| complaint(r)).collect();
        assert_eq!(complaints.len(), 1, "one warning");
        assert!(!complaints[0].text.contains(&b'\n'), "in one line");
    } else {
        assert!(records.is_empty());
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn unknown_method() {
    unknown("carrier-pigeon");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn part_of_a_name() {
    unknown("lo");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn name_with_a_blank() {
    unknown(" log");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn name_and_more() {
    unknown("logs");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn uri_as_sieve_sends_it() {
    unknown("xmpp:tim@example.com?message;subject=SIEVE");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn name_with_a_newline() {
    unknown("log\nlog");
}
