//! Tests of mail that scripts ask for.

use super::super::laws::{delivery, office, parsed};
use super::*;
use crate::config::Settings;
use crate::config::toml::{OwnerForm, Text};

fn compose(office: &Office, delivery: &Delivery) -> Composed {
    let mut notes = Notes::default();
    let composed = super::compose(office, delivery, &mut notes);
    office.note(&notes.changes);
    composed
}

fn rfc5436(settings: &mut Settings) {
    settings.own.config.mailto.style = Style::Rfc5436;
}

fn cyrus(_: &mut Settings) {}

fn note(option: &str, message: &str) -> Notification {
    Notification {
        method: b"mailto".into(),
        class: b"SIEVE".into(),
        priority: b"normal".into(),
        user: b"alice".into(),
        options: vec![option.into()],
        message: message.into(),
        ..Notification::default()
    }
}

fn mail_with(
    change: impl FnOnce(&mut Settings),
    n: Notification,
    staged: Option<&str>,
) -> (Mail, String) {
    let (office, dir) = office(change);
    let delivery = delivery(n, dir.path(), staged.map(str::as_bytes));
    match compose(&office, &delivery) {
        Composed::Mails(mut mails) => {
            let mail = mails.pop().unwrap();
            let text = String::from_utf8(mail.message.to_bytes()).unwrap();
            (mail, text)
        }
        other => panic!("{other:?}"),
    }
}

fn none_with(n: Notification, staged: Option<&str>) -> String {
    let (office, dir) = office(cyrus);
    match compose(&office, &delivery(n, dir.path(), staged.map(str::as_bytes))) {
        Composed::Nothing(why) | Composed::Wrong(why) => why,
        Composed::Mails(mails) => panic!("{mails:?}"),
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let parsed = parsed(text.as_bytes());
    let mut all = parsed
        .headers_raw()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name));
    let value = all
        .next()
        .map(|(_, value)| value.trim().replace("\n ", " "));
    assert!(all.next().is_none(), "{name} twice: {text}");
    value
}

const TRIGGER: &str = "Return-Path: <bob@example.net>\r\nMessage-ID: <1@x>\r\nReferences: <0@x>\r\nFrom: Bob <bob@example.net>\r\nSubject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\nText\r\n";

#[test]
fn in_the_style_of_cyrus() {
    let n = note(
        "b@x?subject=other&body=other&cc=c@x&to=d@x&keywords=k",
        "hello\n\nAction(s) taken:\nKept\n",
    );
    let (mail, text) = mail_with(cyrus, n, Some(TRIGGER));
    assert_eq!(mail.sender, None);
    let to: Vec<String> = mail.recipients.iter().map(Address::envelope).collect();
    assert_eq!(to, ["b@x", "d@x", "c@x"]);
    for (name, value) in [
        ("From", "Mail Sieve Subsystem <postmaster>"),
        ("To", "<b@x>, <d@x>"),
        ("Cc", "<c@x>"),
        ("Subject", "[SIEVE] New mail notification"),
        (
            "Auto-Submitted",
            "auto-notified; owner-email=\"alice@example.org\"",
        ),
        ("References", "<0@x> <1@x>"),
        ("Importance", "Normal"),
        ("X-Priority", "3"),
        ("Keywords", "k"),
        ("X-Sieve", "CMU Sieve 3.0"),
    ] {
        assert_eq!(field(&text, name).as_deref(), Some(value), "{name}");
    }
    assert!(text.ends_with("\n\nhello\n\nAction(s) taken:\nKept\n\n"));
}

#[test]
fn the_list_of_actions_goes_when_asked() {
    let without = |settings: &mut Settings| settings.own.config.mailto.actions.0 = false;
    let (_, text) = mail_with(
        without,
        note("b@x", "hello\n\nAction(s) taken:\nKept\n"),
        None,
    );
    assert!(text.ends_with("\n\nhello\n"));
}

#[test]
fn in_the_style_of_the_standard() {
    let n = note(
        "b@x?subject=other&body=some%0Atext",
        "hello\n\nAction(s) taken:\nKept\n",
    );
    let (mail, text) = mail_with(rfc5436, n, Some(TRIGGER));
    assert_eq!(mail.sender.unwrap().envelope(), "alice@example.org");
    assert_eq!(field(&text, "From").as_deref(), Some("alice@example.org"));
    assert_eq!(field(&text, "Subject").as_deref(), Some("hello"));
}

#[test]
fn values_for_templates() {
    let values = |n: Notification, staged: Option<&str>| {
        let (office, dir) = office(rfc5436);
        let delivery = delivery(n, dir.path(), None);
        let case = Case {
            office: &office,
            delivery: &delivery,
            uri: MailtoUri::parse(&delivery.notification.options[0]).unwrap(),
            trigger: staged.map(|text| Trigger::parse(text.as_bytes())),
        };
        case.values()
    };
    let all = values(
        note("b@x?body=some%0Atext", "hello \u{fc}\n\n"),
        Some(TRIGGER),
    );
    assert_eq!(
        all,
        json!({
            "subject": "hello \u{fc}", "body": "some\ntext", "class": "SIEVE", "priority": "normal", "user": "alice",
            "mailbox": "", "trigger": {"subject": "Gr\u{fc}\u{df}e", "from": "Bob <bob@example.net>"},
        })
    );
    let subject = |option, message, staged| {
        values(note(option, message), staged)["subject"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let default = "Bob <bob@example.net>: Gr\u{fc}\u{df}e\n\n";
    assert_eq!(
        subject("b@x?subject==?UTF-8?Q?=C3=A9?=", "\n\n", Some(TRIGGER)),
        "\u{e9}"
    );
    assert_eq!(subject("b@x?subject=uri", default, Some(TRIGGER)), "uri");
    assert_eq!(subject("b@x?subject=uri", "said", Some(TRIGGER)), "said");
    assert_eq!(subject("b@x", default, Some(TRIGGER)), default.trim());
    assert_eq!(subject("b@x", "\n\n", Some(TRIGGER)), "Gr\u{fc}\u{df}e");
    assert_eq!(subject("b@x", "one\r\ntwo\n\n", None), "one two");
    assert_eq!(subject("b@x", "", None), "");
}

#[test]
fn the_envelope_sender_follows_the_trigger() {
    let sender = |staged| mail_with(rfc5436, note("b@x", "m"), staged).0.sender;
    assert!(sender(Some(TRIGGER)).is_some());
    assert_eq!(sender(Some("Return-Path: <>\nSubject: x\n\n")), None);
    assert_eq!(sender(Some("Subject: x\n\n")), None);
    assert_eq!(sender(None), None);
}

#[test]
fn no_mail_about_automatic_mail() {
    let automatic = |value: &str| {
        none_with(
            note("b@x", "m"),
            Some(&format!("Auto-Submitted: {value}\n\n")),
        )
    };
    assert!(automatic("auto-replied").contains("Auto-Submitted"));
    let (mail, _) = mail_with(
        cyrus,
        note("b@x", "m"),
        Some("Auto-Submitted: no (a person)\n\n"),
    );
    assert_eq!(mail.recipients.len(), 1);
}

#[test]
fn no_mail_about_mail_of_ours() {
    let (office, dir) = office(cyrus);
    let of =
        |staged: Option<&[u8]>| compose(&office, &delivery(note("b@x", "m"), dir.path(), staged));
    let Composed::Mails(mails) = of(None) else {
        panic!("no mail")
    };
    let ours = mails[0].message.to_bytes();
    // As if a server had taken Auto-Submitted out.
    let ours = String::from_utf8(ours)
        .unwrap()
        .replace("Auto-Submitted", "X-Was");
    let Composed::Nothing(why) = of(Some(ours.as_bytes())) else {
        panic!("a loop")
    };
    assert!(why.contains("of ours"), "{why}");
    let forged = ours.replace("cmu-sieve-", "cmu-sieve-1");
    assert!(matches!(of(Some(forged.as_bytes())), Composed::Mails(_)));
}

#[test]
fn nobody_is_told_twice_about_one_message() {
    let key = |user: &str, fname: &str, staged: Option<&str>| {
        let n = Notification {
            user: user.into(),
            fname: Some(fname.into()),
            ..note("b@x", "m")
        };
        mail_with(cyrus, n, staged).0.once.map(|once| once.key)
    };
    let first = key("alice", "stage./1-2-0", Some(TRIGGER));
    assert!(first.is_some());
    assert_eq!(key("alice", "stage./1-2-0", Some(TRIGGER)), first);
    assert_ne!(key("carol", "stage./1-2-0", Some(TRIGGER)), first);
    assert_ne!(key("alice", "stage./1-3-0", Some(TRIGGER)), first);
    assert_ne!(
        key("alice", "stage./1-2-0", Some("Subject: another\n\n")),
        first
    );
    assert_eq!(key("alice", "stage./1-2-0", None), None);
}

#[test]
fn importance_is_there_once() {
    let of = |priority: &str, option: &str| {
        let n = Notification {
            priority: priority.into(),
            ..note(option, "m")
        };
        let (_, text) = mail_with(cyrus, n, None);
        ["Importance", "X-Priority", "Priority"].map(|name| field(&text, name).unwrap_or_default())
    };
    assert_eq!(of("high", "b@x"), ["High", "1", ""]);
    assert_eq!(of("low", "b@x"), ["Low", "5", ""]);
    assert_eq!(of("normal", "b@x"), ["Normal", "3", ""]);
    assert_eq!(of("", "b@x"), ["", "", ""]);
    assert_eq!(of("urgent", "b@x"), ["", "", ""]);
    assert_eq!(
        of("high", "b@x?importance=low&priority=non-urgent"),
        ["High", "1", ""]
    );
    assert_eq!(of("normal", "b@x?importance=low"), ["low", "", ""]);
    assert_eq!(
        of("normal", "b@x?x-priority=5&priority=non-urgent"),
        ["", "5", "non-urgent"]
    );
}

#[test]
fn from_is_configured() {
    let own = |style: Style| {
        move |settings: &mut Settings| {
            settings.own.config.mailto.style = style;
            settings.own.config.mailto.from = Text("K\u{fc}che <cal>".into());
        }
    };
    for style in [Style::Cyrus, Style::Rfc5436] {
        let (_, text) = mail_with(own(style), note("b@x", "m"), None);
        assert_eq!(
            field(&text, "From").as_deref(),
            Some("=?UTF-8?B?S8O8Y2hl?= <cal@example.org>")
        );
    }
    let wrong = |settings: &mut Settings| settings.own.config.mailto.from = Text("a b".into());
    let (_, text) = mail_with(wrong, note("b@x", "m"), None);
    assert_eq!(
        field(&text, "From").as_deref(),
        Some("Mail Sieve Subsystem <postmaster>")
    );
    let smtp = |settings: &mut Settings| settings.smtp_backend = crate::config::SmtpBackend::Host;
    let (_, text) = mail_with(smtp, note("b@x", "m"), None);
    assert_eq!(
        field(&text, "From").as_deref(),
        Some("Mail Sieve Subsystem <postmaster@example.org>")
    );
    let nobody = Notification {
        user: Vec::new(),
        ..note("b@x", "m")
    };
    let (_, text) = mail_with(rfc5436, nobody, None);
    assert_eq!(
        field(&text, "From").as_deref(),
        Some("Mail Sieve Subsystem <postmaster>")
    );
}

#[test]
fn owners_are_named() {
    let of = |user: &str, token: bool| {
        let n = Notification {
            user: user.into(),
            ..note("b@x", "m")
        };
        let form = |settings: &mut Settings| {
            if token {
                settings.own.config.mailto.owner = OwnerForm::Token;
            }
        };
        field(&mail_with(form, n, None).1, "Auto-Submitted").unwrap()
    };
    assert_eq!(
        of("alice@x", false),
        "auto-notified; owner-email=\"alice@x\""
    );
    assert_eq!(
        of("", false),
        "auto-notified; owner-email=\"postmaster@example.org\""
    );
    assert_eq!(
        of("a b", false),
        "auto-notified; owner-email=\"\\\"a b\\\"@example.org\""
    );
    assert!(of("alice", true).starts_with("auto-notified; owner-token="));
    assert!(of("j\u{fc}rgen", false).starts_with("auto-notified; owner-token="));
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(
        none_with(note("b@x, c d", "m"), None),
        "c d: the address has a blank in it"
    );
    assert_eq!(
        none_with(note("a\u{1b}[0m", "m"), None),
        "a\\u{1b}[0m: the address has a control character"
    );
    assert_eq!(none_with(note("", "m"), None), "no address in it");
}
