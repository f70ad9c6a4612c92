//! The daemon and a mail server that does as it is told: whatever goes wrong, no mail is lost, nobody gets one twice where
//! the server said yes, and where the answer was lost it is sent once more and then no more.
//!
//! Plain `cargo test` runs it as whoever you are.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "alone/daemon.rs"]
mod daemon;
#[path = "smtp/server.rs"]
mod server;
mod stage;

use daemon::{Alone, mail};
use server::{Act, At, Got, Plan, Server, Step, certificate, until};
use stage::{Signal, note};
use std::fs;

/// All that is left to chance is quick.
const QUICK: &str = "[retry]\nfirst = '1s'\nmaximum = '1s'\n[method.mailto]\ntimeout = '2s'\n";

/// A folder with a daemon's configuration for a mail server; no daemon yet.
fn set(host: &str, more: &[(&str, &str)]) -> Alone {
    let alone = Alone::new();
    fs::write(alone.path("notifyd.toml"), QUICK).unwrap();
    let keys = [
        ("notifyd_config", "{dir}/notifyd.toml"),
        ("smtp_backend", "host"),
        ("smtp_host", host),
    ];
    alone.configure("imapd.conf", &[&keys, more].concat());
    alone
}

/// A running daemon.
fn start(host: &str, more: &[(&str, &str)]) -> Alone {
    let mut alone = set(host, more);
    alone.spawn_ready();
    alone
}

/// The same, which trusts the root in this file of its folder.
fn start_trusting(mut alone: Alone, root: &str) -> Alone {
    let (conf, root) = (alone.path("imapd.conf"), alone.path(root));
    let mut command = alone.command(&["-X", "-C", conf.to_str().unwrap()]);
    command.env("SSL_CERT_FILE", root);
    alone.spawn_command(command);
    alone.wait_line(": started: ");
    alone
}

fn message_id(got: &Got) -> String {
    got.field("Message-ID").unwrap()
}
fn is_again(got: &Got) -> bool {
    got.field("X-Notifyd-Again").is_some()
}

/// What the server said yes to, in the order in which it came.
fn taken(server: &Server) -> Vec<Got> {
    let mut mails = server.mails();
    mails.retain(|mail| mail.taken);
    mails
}

/// Runs a test for each case, side by side.
fn each<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| test(case));
        }
    });
}

/// The first mail meets trouble at this step.
fn first(step: Step, act: Act) -> impl Fn(&At) -> Act + Send + Sync + 'static {
    move |at| match at.step == step && at.mail <= 1 && at.connection == 0 {
        true => act.clone(),
        false => Act::Well,
    }
}

#[test]
fn mails_arrive_over_kept_connections() {
    let server = Server::start(|_| Act::Well);
    let mut alone = start(&server.host(), &[]);
    for i in 0..20 {
        alone.send(&mail(&format!("user{i}")));
    }
    alone.wait_count("status=delivered (250 2.0.0 Ok: queued as 4711)", 20);
    assert_eq!(server.mails().len(), 20);
    assert!(server.lines().len() <= 4, "as many as there are permits");
    assert_eq!(server.count("EHLO alone.test"), 2 * server.lines().len());
    alone.signal(Signal::TERM);
    assert!(alone.wait_exit().success());
}

#[test]
fn a_server_that_is_not_there_gets_the_mail_when_it_is_back() {
    let server = Server::start(|_| Act::Well);
    let host = server.host();
    drop(server);
    let alone = start(&host, &[]);
    alone.send(&mail("bob"));
    alone.wait_line(&format!(
        "status=deferred (bob@example.org: {host}: connection refused)"
    ));
    let plan = Plan {
        address: host,
        ..Plan::default()
    };
    let server = Server::with(plan, |_| Act::Well);
    alone.wait_line("status=delivered");
    assert_eq!(server.mails().len(), 1);
    assert!(!is_again(&server.mails()[0]));
}

#[test]
fn a_server_that_goes_away_before_the_data_gets_the_mail_later() {
    let steps = [Step::Greeting, Step::Mail, Step::Rcpt, Step::Data];
    each(steps, |step| {
        let server = Server::start(first(step, Act::SayAndClose("421 4.3.2 closing")));
        let alone = start(&server.host(), &[]);
        alone.send(&mail("bob"));
        alone.wait_line("said: 421 4.3.2 closing (in reply to ");
        alone.wait_line("status=delivered");
        assert_eq!(server.mails().len(), 1, "{step:?}");
        assert!(!is_again(&server.mails()[0]), "{step:?}");
    });
}

#[test]
fn a_server_that_stops_answering_holds_nothing_for_ever() {
    let steps = [
        Step::Greeting,
        Step::Ehlo,
        Step::Mail,
        Step::Rcpt,
        Step::Data,
        Step::End,
    ];
    each(steps, |step| {
        let server = Server::start(first(step, Act::Hang));
        let alone = start(&server.host(), &[]);
        alone.send(&mail("bob"));
        alone.wait_line("status=deferred");
        alone.wait_line("status=delivered");
        assert_eq!(taken(&server).len(), 1, "{step:?}");
        let again = step == Step::End;
        assert_eq!(is_again(&taken(&server)[0]), again, "{step:?}");
        assert_eq!(server.mails().len(), 1 + usize::from(again), "{step:?}");
    });
}

#[test]
fn a_lost_answer_is_asked_for_once_more_with_the_same_message_id() {
    let server = Server::start(first(Step::End, Act::Close));
    let alone = start(&server.host(), &[]);
    alone.send(&mail("bob"));
    alone.wait_line("connection lost at the end of the data");
    alone.wait_line("status=delivered");
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert!(!is_again(&mails[0]) && is_again(&mails[1]));
    assert_eq!(message_id(&mails[0]), message_id(&mails[1]));
}

#[test]
fn an_answer_that_is_lost_twice_is_not_asked_for_again() {
    let server = Server::start(|at| match at.step == Step::End && at.mail <= 2 {
        true => Act::Close,
        false => Act::Well,
    });
    let alone = start(&server.host(), &[]);
    alone.send(&mail("bob"));
    alone.wait_line("the mail may have arrived, and it is not sent again");
    alone.wait_line("status=failed");
    alone.send(&mail("alice"));
    alone.wait_line("status=delivered");
    let mails = server.mails();
    assert_eq!(mails.len(), 3);
    assert_eq!(message_id(&mails[0]), message_id(&mails[1]));
    assert_ne!(message_id(&mails[0]), message_id(&mails[2]));
}

#[test]
fn a_daemon_that_is_killed_while_the_answer_is_on_its_way_sends_it_once_more() {
    let server = Server::start(first(Step::End, Act::Hang));
    let mut alone = start(&server.host(), &[]);
    alone.send(&mail("bob"));
    until("the data", || server.mails().len() == 1);
    alone.signal(Signal::KILL);
    alone.wait_exit();
    alone.spawn_ready();
    alone.wait_line("status=delivered");
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert!(is_again(&mails[1]) && message_id(&mails[0]) == message_id(&mails[1]));
}

#[test]
fn a_daemon_that_ends_does_not_wait_for_a_server_that_hangs() {
    let server = Server::start(first(Step::Mail, Act::Hang));
    let mut alone = set(&server.host(), &[]);
    let long = QUICK.replace("timeout = '2s'", "timeout = '1h'");
    fs::write(alone.path("notifyd.toml"), long).unwrap();
    alone.spawn_ready();
    alone.send(&mail("bob"));
    until("MAIL", || server.count("MAIL") == 1);
    alone.signal(Signal::TERM);
    assert!(alone.wait_exit().success());
    alone.spawn_ready();
    alone.wait_line("status=delivered");
    assert!(!is_again(&taken(&server)[0]));
}

/// Whoever is told to end while the answer is on its way does not forget the attempt.
#[test]
fn a_daemon_that_is_told_to_end_while_the_answer_is_on_its_way_sends_it_once_more() {
    let server = Server::start(|at| match at.step {
        Step::End => Act::Hang,
        _ => Act::Well,
    });
    let mut alone = set(&server.host(), &[]);
    let long = QUICK.replace("timeout = '2s'", "timeout = '1h'");
    fs::write(alone.path("notifyd.toml"), long).unwrap();
    alone.spawn_ready();
    alone.send(&mail("bob"));
    until("the data", || server.mails().len() == 1);
    alone.signal(Signal::TERM);
    assert!(alone.wait_exit().success());
    alone.spawn_ready();
    until("the copy", || server.mails().len() == 2);
    alone.signal(Signal::TERM);
    assert!(alone.wait_exit().success());
    alone.wait_line("the answer was lost twice");
    alone.wait_line("status=failed");
    alone.spawn_ready();
    alone.send(&mail("alice"));
    until("another mail", || server.mails().len() == 3);
    let mails = server.mails();
    assert!(!is_again(&mails[0]) && is_again(&mails[1]) && !is_again(&mails[2]));
    assert_eq!(message_id(&mails[0]), message_id(&mails[1]));
    assert_ne!(message_id(&mails[0]), message_id(&mails[2]));
}

/// Both of one delivery: the first has it, and the daemon ends while the second is under way.
#[test]
fn a_recipient_who_has_it_is_skipped_after_a_cut() {
    let server = Server::start(|at| {
        match at.step == Step::Rcpt && at.connection == 0 && at.line.contains("slow@") {
            true => Act::Hang,
            false => Act::Well,
        }
    });
    let mut alone = set(&server.host(), &[]);
    let long = QUICK.replace("timeout = '2s'", "timeout = '1h'");
    fs::write(alone.path("notifyd.toml"), long).unwrap();
    alone.spawn_ready();
    let event = r#"{"event":"CalendarAlarm","userId":"alice","action":"email","uid":"u","alarmRecipients":["mailto:fast@x.test","mailto:slow@x.test"]}"#;
    alone.send(&note("mailto").class("EVENT").message(event));
    until("the second", || server.count("RCPT TO:<slow@") == 1);
    alone.signal(Signal::TERM);
    assert!(alone.wait_exit().success());
    alone.spawn_ready();
    alone.wait_line("status=delivered");
    let mails = server.mails();
    let to = |n: usize| mails[n].to[0].split('>').next().unwrap().to_owned();
    assert_eq!(
        (to(0), to(1), mails.len()),
        ("<fast@x.test".into(), "<slow@x.test".into(), 2)
    );
    assert!(
        !is_again(&mails[0]) && !is_again(&mails[1]),
        "nobody had the second"
    );
}

/// A mail to two, of whom one is refused.
fn two_recipients(reply: &'static str) -> (Server, Alone) {
    let server = Server::start(
        move |at| match at.mail == 1 && at.line.contains("<c@y.test>") {
            true => Act::Say(reply),
            false => Act::Well,
        },
    );
    let alone = start(&server.host(), &[]);
    alone.send(
        &note("mailto")
            .class("SIEVE")
            .option("a@x.test,c@y.test")
            .message("text"),
    );
    (server, alone)
}

#[test]
fn who_is_put_off_gets_it_later_and_the_other_one_does_not_get_it_twice() {
    let (server, alone) = two_recipients("450 4.2.0 later");
    alone.wait_line("said: 450 4.2.0 later (in reply to RCPT TO); sent to 1)");
    alone.wait_line("status=delivered");
    let to: Vec<Vec<String>> = server.mails().into_iter().map(|mail| mail.to).collect();
    let never = |who: &str| vec![format!("<{who}> NOTIFY=NEVER")];
    assert_eq!(to, [never("a@x.test"), never("c@y.test")]);
}

#[test]
fn who_is_refused_does_not_keep_it_from_the_other_one() {
    let (server, alone) = two_recipients("550 5.1.1 no such user");
    alone.wait_line("said: 550 5.1.1 no such user (in reply to RCPT TO); sent to 1)");
    alone.wait_line("status=failed");
    assert_eq!(server.mails().len(), 1);
    assert_eq!(server.mails()[0].to, ["<a@x.test> NOTIFY=NEVER"]);
}

#[test]
fn a_password_that_is_wrong_costs_no_mail_and_stands_in_no_log() {
    let plan = Plan {
        offers: &["AUTH PLAIN", "PIPELINING"],
        ..Plan::default()
    };
    let server = Server::with(plan, first(Step::Auth, Act::Say("535 5.7.8 bad password")));
    let login = [("smtp_auth_authname", "us"), ("smtp_auth_password", "Zq7x")];
    let alone = start(&server.host(), &login);
    alone.send(&mail("bob"));
    alone.wait_line("said: 535 5.7.8 bad password (in reply to AUTH)");
    alone.wait_line("status=delivered");
    assert_eq!(server.mails().len(), 1);
    for secret in ["Zq7x", "AHVzAFpxN3g="] {
        assert_eq!(alone.count(secret), 0);
    }
    assert_eq!(server.count("AUTH PLAIN AHVzAFpxN3g="), 2);
}

/// Also when the server says it back, at whatever step.
#[test]
fn a_password_that_the_server_says_back_stands_nowhere() {
    let plan = Plan {
        offers: &["AUTH PLAIN", "PIPELINING"],
        ..Plan::default()
    };
    let server = Server::with(plan, |at| match (at.step, at.connection) {
        (Step::Auth, 0) => Act::Say("535 5.7.8 bad AUTH PLAIN AHVzAFpxN3g= for Zq7x"),
        (Step::Rcpt, _) => Act::Say("550 5.1.1 Zq7x, WnE3eA: no such user"),
        _ => Act::Well,
    });
    let login = [("smtp_auth_authname", "us"), ("smtp_auth_password", "Zq7x")];
    let alone = start(&server.host(), &login);
    alone.send(&mail("bob"));
    alone.wait_line("said: 535 5.7.8 bad AUTH PLAIN *** for *** (in reply to AUTH)");
    alone.wait_line("said: 550 5.1.1 ***, ***: no such user (in reply to RCPT TO)");
    alone.wait_line("status=failed");
    let log = alone.log();
    let files = ["spool.db", "spool.db-wal", "ledger.db", "ledger.db-wal"];
    let files =
        files.map(|file| fs::read(alone.path("conf/notifyd").join(file)).unwrap_or_default());
    let spool = String::from_utf8_lossy(&files.concat()).into_owned();
    for secret in ["Zq7x", "AHVzAFpx", "WnE3eA"] {
        assert!(!log.contains(secret) && !spool.contains(secret), "{secret}");
    }
}

/// A server with STARTTLS, whose certificate is for `name`, and a daemon that trusts it.
fn with_tls(name: &str) -> (Server, Alone) {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan {
        offers: &["STARTTLS", "PIPELINING"],
        tls: Some(certificate(name, &dir.path().join("root.pem"))),
        ..Plan::default()
    };
    let server = Server::with(plan, |_| Act::Well);
    let alone = set(&format!("{}/tls", server.host()), &[]);
    fs::copy(dir.path().join("root.pem"), alone.path("root.pem")).unwrap();
    (server, start_trusting(alone, "root.pem"))
}

#[test]
fn tls_with_the_right_name_is_used() {
    let (server, alone) = with_tls("127.0.0.1");
    alone.send(&mail("bob"));
    alone.wait_line("status=delivered");
    let said = server.lines()[0].clone();
    assert_eq!(
        said[..3],
        ["EHLO alone.test", "STARTTLS", "EHLO alone.test"]
    );
}

#[test]
fn tls_with_a_wrong_name_is_refused_and_nothing_goes_in_clear() {
    let (server, alone) = with_tls("other.test");
    alone.send(&mail("bob"));
    alone.wait_line("invalid peer certificate: certificate not valid for name");
    alone.wait_line("status=deferred");
    assert_eq!(server.lines()[0], ["EHLO alone.test", "STARTTLS"]);
    assert_eq!(server.count("MAIL"), 0);
    assert_eq!(alone.count("status=failed"), 0);
}

/// The server's new certificate is of a root that the system has only since a moment ago.
#[test]
fn a_root_that_is_added_later_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let plan = |root: &str, address: String| Plan {
        offers: &["STARTTLS"],
        tls: Some(certificate("127.0.0.1", &dir.path().join(root))),
        address,
        ..Plan::default()
    };
    let server = Server::with(plan("old.pem", "127.0.0.1:0".into()), |at| match at.step {
        Step::End => Act::SayAndClose("250 2.0.0 Ok: queued as 4711"),
        _ => Act::Well,
    });
    let host = server.host();
    let alone = set(&format!("{host}/tls"), &[]);
    fs::copy(dir.path().join("old.pem"), alone.path("root.pem")).unwrap();
    let alone = start_trusting(alone, "root.pem");
    alone.send(&mail("bob"));
    alone.wait_count("status=delivered", 1);
    drop(server);
    let server = Server::with(plan("new.pem", host), |_| Act::Well);
    let both = ["old.pem", "new.pem"].map(|root| fs::read(dir.path().join(root)).unwrap());
    fs::write(alone.path("root.pem"), both.concat()).unwrap();
    alone.send(&mail("bob"));
    alone.wait_count("status=delivered", 2);
    assert_eq!(alone.count("status=deferred"), 0, "at the same attempt");
    assert_eq!(server.mails().len(), 1);
}

#[test]
#[ignore = "needs root, for port 465: run tests/run"]
fn on_port_465_tls_begins_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan {
        tls: Some(certificate("127.4.6.5", &dir.path().join("root.pem"))),
        wrapped: true,
        address: "127.4.6.5:465".to_owned(),
        ..Plan::default()
    };
    let server = Server::with(plan, |_| Act::Well);
    let alone = set("127.4.6.5:submissions", &[]);
    fs::copy(dir.path().join("root.pem"), alone.path("root.pem")).unwrap();
    let alone = start_trusting(alone, "root.pem");
    alone.send(&mail("bob"));
    alone.wait_line("status=delivered");
    assert_eq!(server.count("STARTTLS"), 0);
}
