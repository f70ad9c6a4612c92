//! What imapd.conf and the environment change.

use super::stage::{Mail, Notifyd, Setup, note};

fn subjectless(n: &Notifyd) -> Mail {
    Mail::parse(
        &n.mail(
            &note("mailto")
                .class("C")
                .option("bob@example.org")
                .message("m"),
        )
        .stdin,
    )
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn syslog_facility() {
    let n = Setup::new().conf("syslog_facility", "LOCAL3").start();
    n.notify(&note("log").class("C").message("m"));
    let record = n.log.wait("the message", |r| r.text == b"C, , , ,  \"m\"");
    // local3 is 19.
    assert_eq!(record.pri, 19 * 8 + 6);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn without_syslog_prefix() {
    // Debian builds Cyrus with the default "cyrus".
    let n = Setup::new().without("syslog_prefix").start();
    assert_eq!(
        n.logs(&note("log").class("C").message("m"), "C, , , ,  \"m\"")
            .ident,
        "cyrus/notify"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn syslog_prefix_from_the_environment_wins() {
    let n = Setup::new().env("CYRUS_SYSLOG_PREFIX", "env").start();
    assert_eq!(
        n.logs(&note("log").class("C").message("m"), "C, , , ,  \"m\"")
            .ident,
        "env/notify"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn ident_is_the_services_name() {
    let n = Setup::new().env("CYRUS_SERVICE", "pigeon").start();
    assert_eq!(
        n.logs(&note("log").class("C").message("m"), "C, , , ,  \"m\"")
            .ident,
        "cyr/pigeon"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn service_prefix_wins_before_and_behind() {
    for lines in [
        ["postmaster: plain@x", "notify_postmaster: mine@x"],
        ["notify_postmaster: mine@x", "postmaster: plain@x"],
    ] {
        let n = Setup::new()
            .line(lines[0])
            .line(lines[1])
            .line("imap_postmaster: other@x")
            .start();
        assert_eq!(
            subjectless(&n).text("From"),
            "Mail Sieve Subsystem <mine@x>"
        );
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn service_prefix_for_sendmail() {
    let n = Setup::new()
        .conf("sendmail", "/nonexistent")
        .line("notify_sendmail: {dir}/prog/sendmail")
        .start();
    subjectless(&n);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn service_prefix_for_notify_external() {
    let n = Setup::new()
        .conf("notify_external", "/nonexistent")
        .line("notify_notify_external: {dir}/prog/external")
        .start();
    n.run_external(&note("external").class("C"));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn configdirectory_in_a_value() {
    let n = Setup::new()
        .conf("notify_external", "{configdirectory}/../prog/external")
        .start();
    let run = n.run_external(&note("external").class("C"));
    assert_eq!(
        run.args()[0],
        n.path("conf/../prog/external").to_str().unwrap()
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn continued_line_comments_and_unknown_keys() {
    let n = Setup::new()
        .line("# a comment")
        .line("")
        .line("   postmaster:   \\")
        .line("   pm@example.org   ")
        .line("nobody_knows_this: 1")
        .start();
    assert_eq!(
        subjectless(&n).text("From"),
        "Mail Sieve Subsystem <pm@example.org>"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn keys_are_read_without_case() {
    let n = Setup::new().line("PostMaster: Pm@Example.Org").start();
    assert_eq!(
        subjectless(&n).text("From"),
        "Mail Sieve Subsystem <Pm@Example.Org>"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn included_file() {
    let mut n = Setup::new().line("@include: {dir}/more.conf").build();
    std::fs::write(n.path("more.conf"), "postmaster: included@example.org\n").unwrap();
    n.spawn();
    assert_eq!(
        subjectless(&n).text("From"),
        "Mail Sieve Subsystem <included@example.org>"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn umask_of_the_configuration() {
    let n = Setup::new().conf("umask", "027").start();
    assert_eq!(n.run_external(&note("external").class("C")).umask, 0o027);
}

/// The daemon refuses to start with this line, and says why.
fn fatal(line: &str, why: &str) {
    let mut n = Setup::new().line(line).start();
    // EX_CONFIG
    assert_eq!(n.wait_exit().code(), Some(78));
    n.log.wait(why, |r| r.severity() <= 3 && r.has(why));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn option_twice() {
    fatal(
        "sendmail: /other",
        "option 'sendmail' was specified twice in config file",
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn empty_value() {
    fatal("postmaster:", "empty option value on line");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn bad_name() {
    fatal("post.master: x", "invalid option name on line");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn missing_file() {
    let mut n = Setup::new()
        .no_conf_argument()
        .args(&["-C", "{dir}/no-such.conf"])
        .start();
    assert_eq!(n.wait_exit().code(), Some(78));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn prefix_of_the_environment() {
    // With CYRUS_PREFIX, PREFIX/PATH is tried first.
    let mut n = Setup::new().env("CYRUS_PREFIX", "{dir}/prefix").build();
    let below = n
        .path("prefix")
        .join(n.path("imapd.conf").strip_prefix("/").unwrap());
    std::fs::create_dir_all(below.parent().unwrap()).unwrap();
    let text = std::fs::read_to_string(n.path("imapd.conf")).unwrap();
    std::fs::write(&below, text + "postmaster: prefixed@example.org\n").unwrap();
    n.spawn();
    assert_eq!(
        subjectless(&n).text("From"),
        "Mail Sieve Subsystem <prefixed@example.org>"
    );
}
