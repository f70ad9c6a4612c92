//! Everything in Cyrus that notifies, each into a method of its own: what they say arrives.

use super::clients::message;
use super::server::Server;
use super::setup::{Form, Setup};
use super::stage::{Mail, wait_for};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// calalarmd looks for alarms every ten seconds.
const ALARM_LIMIT: Duration = Duration::from_secs(40);

/// Events of every group, and Cyrus' service that sends them (empty when the event does not say).
const EVENTS: [(&str, &str); 17] = [
    // access
    ("Login", "imap"),
    ("Logout", "imap"),
    ("AclChange", "imap"),
    ("AclChange", "http"),
    // message
    ("MessageNew", "lmtpunix"),
    ("MessageNew", "http"),
    ("MessageAppend", "imap"),
    ("MessageExpunge", "imap"),
    // flags
    ("FlagsSet", "imap"),
    ("MessageTrash", "imap"),
    // quota
    ("QuotaChange", "imap"),
    // mailbox
    ("MailboxCreate", "imap"),
    ("MailboxModseq", "lmtpunix"),
    ("MailboxModseq", "sieve"),
    // subscription, applepushservice, calendar
    ("MailboxSubscribe", "imap"),
    ("ApplePushService", ""),
    ("CalendarAlarm", ""),
];

/// The events that reached the log, as name and service.
fn events(server: &Server) -> BTreeSet<(String, String)> {
    let json = |text: &[u8]| -> Option<Value> {
        let json = text
            .strip_prefix(b"EVENT, , , ,  \"")?
            .strip_suffix(b"\"")?;
        Some(
            serde_json::from_slice(json).unwrap_or_else(|e| panic!("{e}: {}", text.escape_ascii())),
        )
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let records = server.log.records();
    records
        .iter()
        .filter_map(|record| json(&record.text))
        .map(|v| (text(&v["event"]), text(&v["service"])))
        .collect()
}

/// Brings about mail, flags, quota, folders, subscriptions over IMAP.
fn feed_imapd(server: &Server) {
    let mut admin = server.imap("cyrus");
    admin.command("SETQUOTA user/bob (STORAGE 10000)");
    admin.command("SETACL user/bob alice lr");
    let mut alice = server.imap("alice");
    alice.append("INBOX", &message("alice", "appended"));
    alice.command("SELECT INBOX");
    alice.command("STORE 1 +FLAGS (\\Flagged \\Deleted)");
    alice.command("EXPUNGE");
    alice.command("CREATE folder");
    alice.command("SUBSCRIBE folder");
    let token = "ab".repeat(32);
    alice.command(&format!(
        "XAPPLEPUSHSERVICE aps-version 2 aps-account-id A aps-device-token {token} \
         aps-subtopic com.apple.mobilemail mailboxes (INBOX)"
    ));
    alice.command("LOGOUT");
}

/// Puts an event with an alarm that is soon due, and one that invites somebody elsewhere.
fn feed_httpd(server: &Server) {
    let calendar = "/dav/calendars/user/alice/Default/";
    let (depth, text) = (
        "Depth: 0\r\n",
        "Content-Type: text/calendar; charset=utf-8\r\n",
    );
    assert_eq!(server.dav("alice", "PROPFIND", calendar, depth, ""), 207);
    let at = |seconds: i64| {
        let time = Timestamp::now() + seconds.seconds();
        time.to_zoned(TimeZone::UTC)
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string()
    };
    let event = |uid: &str, more: &str| {
        let (now, begin, end) = (at(0), at(900 + 4), at(5000));
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:{now}\r\n\
             DTSTART:{begin}\r\nDTEND:{end}\r\nSUMMARY:{uid}\r\n{more}END:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    let alarm = "BEGIN:VALARM\r\nUID:a1\r\nACTION:DISPLAY\r\nDESCRIPTION:soon\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n";
    let path = format!("{calendar}alarm.ics");
    assert_eq!(
        server.dav("alice", "PUT", &path, text, &event("alarm", alarm)),
        201
    );
    let invitation = "ORGANIZER:mailto:alice@cyr.test\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:guest@example.org\r\n";
    let path = format!("{calendar}invitation.ics");
    assert_eq!(
        server.dav(
            "alice",
            "PUT",
            &path,
            text,
            &event("invitation", invitation)
        ),
        201
    );
}

fn arrives(form: Form) {
    let mut server = Setup::new(form)
        .conf("event_notifier", "log")
        .conf(
            "event_groups",
            "message quota flags access mailbox subscription calendar applepushservice",
        )
        .conf("event_extra_params", "timestamp service")
        .conf("mailnotifier", "external")
        .conf("imipnotifier", "external")
        .conf("aps_topic", "com.apple.mail.test")
        .calalarmd()
        .start();
    let reader = server.wait_notifyds(1);
    feed_httpd(&server);
    server.sieve(
        "alice",
        "require \"notify\"; notify :method \"mailto\" :options [\"old@example.org\"] :message \"old: $subject$\";",
    );
    server.sieve(
        "bob",
        "require \"enotify\"; notify :message \"new message\" :importance \"1\" \"mailto:new@example.org\";",
    );
    let mut lmtp = server.lmtp().unwrap();
    lmtp.deliver("alice", "first").unwrap();
    lmtp.deliver("bob", "second").unwrap();
    feed_imapd(&server);

    for (option, text) in [
        ("old@example.org", "old: first"),
        ("new@example.org", "new message"),
    ] {
        let run = server
            .sendmail
            .wait(option, |run| run.argv.last().unwrap() == option.as_bytes());
        let mail = Mail::parse(&run.stdin);
        assert_eq!(mail.text("Subject"), "[SIEVE] New mail notification");
        assert!(
            mail.decoded_body().starts_with(text.as_bytes()),
            "{}",
            run.stdin.escape_ascii()
        );
    }
    for (user, subject) in [("alice", "first"), ("bob", "second")] {
        let run = server.external.wait("MAIL", |run| {
            run.args()[2] == "MAIL" && run.args()[6] == user
        });
        assert_eq!(run.args()[8], "INBOX");
        assert!(String::from_utf8_lossy(&run.stdin).contains(&format!("Subject: {subject}\n")));
    }
    let run = server.external.wait("IMIP", |run| run.args()[2] == "IMIP");
    let imip: Value = serde_json::from_slice(&run.stdin).unwrap();
    assert_eq!(imip["recipient"], "guest@example.org");

    // All but the alarm have been sent before this.
    let (mut looked_at, mut missing) = (0, Vec::new());
    wait_for("every event", ALARM_LIMIT, || {
        let count = server.log.count_all();
        if std::mem::replace(&mut looked_at, count) != count {
            let seen = events(&server);
            missing = EVENTS
                .into_iter()
                .filter(|(name, by)| !seen.contains(&((*name).into(), (*by).into())))
                .collect();
            println!(
                "{form:?}: {} kinds of events seen, still missing {missing:?}",
                seen.len()
            );
        }
        missing.is_empty().then_some(())
    });
    assert_eq!(
        server.wait_notifyds(1),
        reader,
        "one process, the same all the time"
    );
    server.stop();
    server.assert_master_content(&[]);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn arrives_by_datagram() {
    arrives(Form::Datagram);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav: run tests/run"]
fn arrives_by_dlist() {
    arrives(Form::Dlist);
}
