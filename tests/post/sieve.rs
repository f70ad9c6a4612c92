//! Sieve scripts that notify by mail, the old way (`notify`) and RFC 5435's (`enotify`), in both styles of notifyd.toml.

use super::inbox::Received;
use super::scene::Scene;
use super::stage::LIMIT;
use std::rc::Rc;

/// More mails than that are a loop that does not end by itself.
const LOOP: usize = 4;

pub(super) fn cases(scene: &mut Scene, style: &str) {
    let name = |what: &str| format!("sieve, style {style}: {what}");
    scene.case(&name("enotify with a mailto URI"), |scene| {
        uri(scene, style)
    });
    scene.case(&name("importance"), |scene| importance(scene, style));
    scene.case(&name("the old notify"), |scene| old(scene, style));
    scene.case(&name("a bounce"), |scene| bounce(scene, style));
    scene.case(&name("an automatic answer"), |scene| {
        automatic(scene, style)
    });
    scene.case(&name("a loop"), |scene| no_loop(scene, style));
}

/// Several recipients, and all that a URI can say.
fn uri(scene: &Scene, style: &str) {
    let subject = format!("uri-{style}");
    let uri = "mailto:bob@cyr.test,%63arol@cyr.test?subject=Betreff%20%C3%BC&cc=dave@cyr.test\
               &body=Zeile%20eins%0D%0AZeile%20zwei&from=evil@cyr.test&x-own=kept";
    let script = format!(
        "require [\"enotify\"];\nnotify :importance \"1\" :message \"Nachricht von {subject}: Grüße, 😀\" \"{uri}\";\n"
    );
    scene.server.sieve("alice", &script);
    scene.trigger("sender@example.net", "alice", &subject, "");
    let said = format!("Nachricht von {subject}: Grüße, 😀");
    let mails = ["bob", "carol", "dave"]
        .map(|user| scene.wait(user, &subject, LIMIT, |mail| mail.says(&said)));
    let mail = &mails[0];
    for other in &mails {
        let id = other.field("Message-ID");
        assert_eq!(id, mail.field("Message-ID"), "one mail for all");
    }
    assert_eq!(
        mail.to(),
        ["bob@cyr.test", "carol@cyr.test"],
        "To, in\n{mail}"
    );
    assert_eq!(mail.cc(), ["dave@cyr.test"], "Cc, in\n{mail}");
    mail.has_no_field("Bcc");
    mail.has_field(
        "Auto-Submitted",
        "auto-notified; owner-email=\"alice@cyr.test\"",
    );
    assert_eq!(mail.from(), ["postmaster@cyr.test"], "From, in\n{mail}");
    mail.is_proper();
    if style == "cyrus" {
        cyrus_style(mail, &said);
        return;
    }
    assert_eq!(mail.subject(), said, "Subject, in\n{mail}");
    assert_eq!(
        mail.text().trim_end(),
        "Zeile eins\nZeile zwei",
        "in\n{mail}"
    );
    mail.has_field("X-Own", "kept");
}

/// What Cyrus' own notifyd makes of it (`notifyd/notify_mailto.c`).
fn cyrus_style(mail: &Rc<Received>, said: &str) {
    assert_eq!(
        mail.subject(),
        "[SIEVE] New mail notification",
        "in\n{mail}"
    );
    mail.has_field("X-Sieve", "CMU Sieve 3.0");
    let text = format!("{said}\n\nAction(s) taken:\nKept\n");
    assert_eq!(mail.text().trim_end(), text.trim_end(), "in\n{mail}");
}

/// The three of them (RFC 5436 section 2.4).
fn importance(scene: &Scene, style: &str) {
    let script: String = [1, 2, 3]
        .iter()
        .map(|n| format!("if header :is \"subject\" \"importance-{n}-{style}\" {{ notify :importance \"{n}\" :message \"importance-{n}-{style} came\" \"mailto:bob@cyr.test\"; }}\n"))
        .collect();
    let script = format!("require \"enotify\";\n{script}");
    scene.server.sieve("alice", &script);
    for (n, importance, priority) in [(1, "high", "1"), (2, "normal", "3"), (3, "low", "5")] {
        let subject = format!("importance-{n}-{style}");
        scene.trigger("sender@example.net", "alice", &subject, "");
        let said = format!("{subject} came");
        let mail = scene.wait("bob", &subject, LIMIT, |mail| mail.says(&said));
        if style == "cyrus" {
            continue;
        }
        let value = mail.field("Importance").unwrap_or_else(|| "normal".into());
        assert!(
            value.eq_ignore_ascii_case(importance),
            "Importance, in\n{mail}"
        );
        let value = mail.field("X-Priority").unwrap_or_else(|| "3".into());
        assert!(value.starts_with(priority), "X-Priority, in\n{mail}");
    }
}

fn old(scene: &Scene, style: &str) {
    let subject = format!("old-{style}");
    let script = "require \"notify\";\n\
         notify :method \"mailto\" :options [\"bob@cyr.test\"] :high :message \"old: $subject$\";\n";
    scene.server.sieve("alice", script);
    scene.trigger("sender@example.net", "alice", &subject, "");
    let said = format!("old: {subject}");
    let mail = scene.wait("bob", &subject, LIMIT, |mail| mail.says(&said));
    assert_eq!(mail.to(), ["bob@cyr.test"], "To, in\n{mail}");
    mail.has_field(
        "Auto-Submitted",
        "auto-notified; owner-email=\"alice@cyr.test\"",
    );
    mail.is_proper();
    match style {
        "cyrus" => cyrus_style(&mail, &said),
        _ => assert_eq!(mail.subject(), said, "in\n{mail}"),
    }
}

const NOTIFY_BOB: &str = "require [\"enotify\", \"variables\"];\nif header :matches \"subject\" \"*\" \
                          { notify :message \"about ${1}\" \"mailto:bob@cyr.test\"; }\n";

/// A trigger that has no sender: told of all the same, and by a mail that has none (RFC 5436 section 2.7).
fn bounce(scene: &Scene, style: &str) {
    let subject = format!("bounce-{style}");
    scene.server.sieve("alice", NOTIFY_BOB);
    scene.trigger("", "alice", &subject, "");
    let said = format!("about {subject}");
    let mail = scene.wait("bob", &subject, LIMIT, |mail| mail.says(&said));
    mail.has_field("Return-Path", "<>");
}

/// Nobody is told of what a program has answered (RFC 5436 section 2.7); of what came after it he is.
fn automatic(scene: &Scene, style: &str) {
    let (answer, other) = (format!("answer-{style}"), format!("other-{style}"));
    scene.server.sieve("alice", NOTIFY_BOB);
    let fields = "Auto-Submitted: auto-replied (vacation)\r\n";
    scene.trigger("sender@example.net", "alice", &answer, fields);
    scene.trigger(
        "sender@example.net",
        "alice",
        &other,
        "Auto-Submitted: no\r\n",
    );
    let said = format!("about {other}");
    scene.wait("bob", &other, LIMIT, |mail| mail.says(&said));
    scene.settle();
    let said = format!("about {answer}");
    let told = scene.mails("bob", |mail| mail.says(&said));
    assert!(told.is_empty(), "told of an automatic answer:\n{}", told[0]);
}

/// Each tells the other one of his mail.
fn no_loop(scene: &Scene, style: &str) {
    let subject = format!("loop-{style}");
    let script = |other: &str| {
        format!(
            "require \"enotify\";\nnotify :message \"loop-{style} goes on\" \"mailto:{other}@cyr.test\";\n"
        )
    };
    scene.server.sieve("lena", &script("lars"));
    scene.server.sieve("lars", &script("lena"));
    scene.trigger("sender@example.net", "lena", &subject, "");
    let said = format!("{subject} goes on");
    scene.wait("lars", &subject, LIMIT, |mail| mail.says(&said));
    scene.settle();
    let count = |user| scene.mails(user, |mail| mail.says(&said)).len();
    let (lena, lars) = (count("lena"), count("lars"));
    println!("style {style}: the loop had {lena} mails to lena, {lars} to lars");
    assert!(lena + lars <= LOOP, "{lena} mails to lena, {lars} to lars");
}
