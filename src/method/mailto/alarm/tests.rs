//! Tests of mail for alarms, with what Cyrus sent.

use super::super::desk::{desk, field, mails, of, parts_of, recorded, why};
use super::*;
use crate::config::toml::Flag;
use crate::mail::calendar::read::object;

fn compose(office: &Office, delivery: &Delivery) -> Composed {
    let mut notes = Notes::default();
    let composed = super::compose(office, delivery, &mut notes);
    office.note(&notes.changes);
    composed
}

const OLD: &str = "3.6.1/calalarm.jsonl";
const NEW: &str = "3.13/calalarm.jsonl";

/// What the template gets for the alarm of event `uid` in `file`.
fn told(file: &str, uid: &str) -> Map<String, Value> {
    let desk = desk(|_| {});
    let delivery = recorded(file, "EVENT", uid).remove(0);
    let event = Event::parse(&delivery.notification.message).unwrap();
    values(
        &desk.office,
        &event,
        &Alarm::read(&event, delivery.received),
    )
}

fn alarm(with: &str) -> Delivery {
    let json = format!(
        r#"{{"event":"CalendarAlarm","action":"email","userId":"alice","uid":"u","alarmTime":"20261122T175112Z","timezone":"UTC","start":"20261122T180112Z"{with}}}"#
    );
    Delivery {
        received: Timestamp::from_second(1_795_369_872).unwrap().into(),
        ..of("EVENT", "", &json)
    }
}

fn to(composed: Composed) -> Vec<String> {
    let all = mails(composed);
    assert!(all.iter().all(|mail| mail.recipients.len() == 1));
    all.iter()
        .map(|mail| mail.recipients[0].to_string())
        .collect()
}

#[test]
fn an_alarm_has_a_hundred_recipients_at_most() {
    let desk = desk(|config| config.alarm.recipients = Recipients::Any);
    let uri = |n: usize| format!("mailto:r{n}@Example.org");
    let uris: Vec<String> = (0..5000)
        .flat_map(|n| [uri(n), uri(n).replace("Example", "EXAMPLE")])
        .collect();
    let event = serde_json::json!({
        "event": "CalendarAlarm", "action": "email", "userId": "alice", "alarmTime": "20261122T180000Z",
        "alarmRecipients": uris,
    });
    let mails = mails(compose(&desk.office, &of("EVENT", "", &event.to_string())));
    assert_eq!(mails.len(), RECIPIENTS);
    let to = |n: usize| field(&mails[n], "To");
    assert_eq!(
        (to(0), to(1)),
        ("r0@Example.org".into(), "r1@Example.org".into())
    );
}

#[test]
fn each_recipient_gets_one_mail() {
    let desk = desk(|_| {});
    let delivery = recorded(OLD, "EVENT", "mail-110ea").remove(0);
    let mails = mails(compose(&desk.office, &delivery));
    let to: Vec<String> = mails.iter().map(|mail| field(mail, "To")).collect();
    assert_eq!(to, ["alice@cyr.test", "zwei@example.org"]);
    for mail in &mails {
        assert_eq!(field(mail, "Auto-Submitted"), "auto-generated");
        assert_eq!(field(mail, "From"), "postmaster@cyr.test");
        assert!(mail.sender.is_none() && mail.owner == b"alice");
        assert_eq!(
            mail.wanted,
            Some(Timestamp::from_second(1_795_369_872).unwrap().into())
        );
        assert_eq!(
            mail.until,
            mail.wanted.map(|due| due + Duration::from_secs(7200))
        );
    }
    assert_ne!(
        field(&mails[0], "Message-ID"),
        field(&mails[1], "Message-ID")
    );
    let parts = parts_of(&mails[0]);
    let (kind, name, content) = parts.last().unwrap();
    assert_eq!(
        (kind.as_str(), name.as_deref()),
        ("text/calendar", Some("event.ics"))
    );
    let written = object(content);
    assert_eq!(written.event.summary, "Besuch – ☕ , \"Q\"");
    assert!(written.event.uid.ends_with("@cyrus-notifyd"));
    assert!(content.contains("DTSTART:20261122T180112Z\r\n"));
}

#[test]
fn who_is_named_by_nobody_is_the_user() {
    let desk = desk(|_| {});
    for (file, uid) in [(OLD, "mailna-110ea"), (NEW, "mailna-11fa6")] {
        let delivery = recorded(file, "EVENT", uid).remove(0);
        assert_eq!(to(compose(&desk.office, &delivery)), ["alice@cyr.test"]);
    }
    let nobody = alarm(r#","userId":"","alarmRecipients":["urn:x:y"]"#);
    assert!(!why(compose(&desk.office, &nobody)).0);
    assert!(!why(compose(&desk.office, &of("EVENT", "", "no JSON"))).0);
}

#[test]
fn alarms_for_programs_are_mail_when_that_is_wanted() {
    let quiet = desk(|_| {});
    let all = recorded(OLD, "EVENT", r#""action":"display""#);
    assert!(
        !all.is_empty()
            && all
                .iter()
                .all(|delivery| why(compose(&quiet.office, delivery)).0)
    );
    let unknown = alarm(r#","action":"audio""#);
    assert!(why(compose(&quiet.office, &unknown)).0);
    let loud = desk(|config| config.alarm.display = Flag(true));
    assert!(
        all.iter()
            .all(|delivery| mails(compose(&loud.office, delivery)).len() == 1)
    );
    assert_eq!(to(compose(&loud.office, &unknown)), ["alice@cyr.test"]);
    assert_eq!(
        to(compose(&quiet.office, &alarm(r#","action":"EMAIL""#))),
        ["alice@cyr.test"]
    );
}

#[test]
fn addresses_are_read_leniently_and_nobody_gets_two() {
    let list = r#","alarmRecipients":["MAILTO:bob@cyr.test","bob@CYR.test","mailto:c%2Bd@e?subject=x","urn:uuid:1","mailto:a@b\nBcc: c@d","","eve"]"#;
    assert_eq!(
        to(compose(&desk(|_| {}).office, &alarm(list))),
        ["bob@cyr.test", "c+d@e", "eve@cyr.test"]
    );
    let many: Vec<String> = (0..500).map(|n| format!("\"mailto:u{n}@e\"")).collect();
    let many = alarm(&format!(r#","alarmRecipients":[{}]"#, many.join(",")));
    assert_eq!(to(compose(&desk(|_| {}).office, &many)).len(), RECIPIENTS);
}

#[test]
fn the_administrator_says_who_may_be_told() {
    let delivery = alarm(
        r#","alarmRecipients":["mailto:alice@cyr.test","mailto:bob@CYR.test","mailto:ext@example.org"]"#,
    );
    let who = |recipients| {
        let desk = desk(|config| config.alarm.recipients = recipients);
        to(compose(&desk.office, &delivery)).len()
    };
    assert_eq!(
        (
            who(Recipients::Any),
            who(Recipients::Domain),
            who(Recipients::Own)
        ),
        (3, 2, 1)
    );
    let desk = desk(|config| config.alarm.recipients = Recipients::Own);
    let others = alarm(r#","alarmRecipients":["mailto:ext@example.org"]"#);
    assert_eq!(to(compose(&desk.office, &others)), ["alice@cyr.test"]);
}

#[test]
fn each_attempt_composes_the_same_and_another_alarm_another_one() {
    let desk = desk(|_| {});
    let make = |delivery: &Delivery| {
        let mails = mails(compose(&desk.office, delivery));
        (
            mails[0].message.to_bytes(),
            mails[0].once.as_ref().unwrap().key.clone(),
        )
    };
    let one = alarm(r#","alertId":"1""#);
    assert_eq!(make(&one), make(&one));
    for other in [
        r#","start":"20261122T190112Z""#,
        r#","uid":"v""#,
        r#","userId":"bob""#,
        r#","alarmTime":"20261122T175113Z""#,
    ] {
        assert_ne!(make(&one).1, make(&alarm(other)).1, "{other}");
    }
    // What some versions of Cyrus do not send makes no difference.
    for same in [
        "",
        r#","alertId":"","end":"x""#,
        r#","alertId":"2","recurrenceId":"2026-11-22T18:01:12","pid":7"#,
    ] {
        assert_eq!(make(&one).1, make(&alarm(same)).1, "{same}");
    }
}

#[test]
fn who_has_declined_is_not_reminded() {
    let desk = desk(|_| {});
    let of = |recipients: &str, attendees: &str, states: &str| {
        compose(
            &desk.office,
            &alarm(&format!(
                r#","alarmRecipients":[{recipients}],"attendeeEmails":[{attendees}],"attendeeStatus":[{states}]"#
            )),
        )
    };
    let none = |composed: Composed, who: &str| {
        let (well, why) = why(composed);
        assert!(well && why.contains(who), "{why}");
    };
    let both = r#""mailto:alice@cyr.test","mailto:bob@cyr.test""#;
    none(of("", both, r#""DECLINED","ACCEPTED""#), "the user");
    none(
        of(r#""mailto:bob@cyr.test""#, both, r#""declined","""#),
        "the user",
    );
    none(
        of("", r#""MAILTO:Alice@CYR.test""#, r#""Declined""#),
        "the user",
    );
    assert_eq!(
        to(of("", both, r#""ACCEPTED","DECLINED""#)),
        ["alice@cyr.test"]
    );
    assert_eq!(to(of("", both, r#""TENTATIVE","""#)), ["alice@cyr.test"]);
    assert_eq!(
        to(of(
            "",
            r#""mailto:alice@elsewhere.example""#,
            r#""DECLINED""#
        )),
        ["alice@cyr.test"]
    );
    // Twice there, and coming once.
    let twice = r#""mailto:alice@cyr.test","alice@cyr.test""#;
    assert_eq!(
        to(of("", twice, r#""DECLINED","ACCEPTED""#)),
        ["alice@cyr.test"]
    );
    // Others who have declined are left out, and the user does not get it in their place.
    assert_eq!(
        to(of(both, both, r#""ACCEPTED","DECLINED""#)),
        ["alice@cyr.test"]
    );
    none(
        of(r#""mailto:bob@cyr.test""#, both, r#""ACCEPTED","DECLINED""#),
        "recipients",
    );
}

#[test]
fn what_the_template_gets() {
    let values = told(OLD, r#""uid":"disp-110ea""#);
    assert_eq!(values["summary"], "Besuch – ☕ , \"Q\"");
    assert_eq!(values["description"], "Zeile eins\nZeile zwei");
    assert_eq!(values["location"], "Büro 3");
    assert_eq!(
        values["calendar"],
        json!({"name": "Kalender Ünï & \"Q\"", "color": "#FF2968"})
    );
    assert_eq!(
        (&values["organizer"], &values["recurrence"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&values["zone"], &values["abbreviation"]),
        (&json!("UTC"), &json!("UTC"))
    );
    assert_eq!(
        (&values["user"], &values["server"]),
        (&json!("alice"), &json!("cyr.test"))
    );
    assert_eq!(
        (&values["start"]["time"], &values["end"]["time"]),
        (&json!("18:01"), &json!("19:01"))
    );
    assert_eq!(
        (&values["alarm"]["time"], &values["late"]),
        (&json!("17:51"), &json!(0))
    );
}

#[test]
fn people_are_decoded_as_in_invitations() {
    let desk = desk(|_| {});
    let delivery = of(
        "EVENT",
        "",
        r#"{"event":"CalendarAlarm","userId":"anna","uid":"q1","action":"email","timezone":"UTC",
            "start":"20990402T100000","end":"20990402T110000","alarmTime":"20990402T090000",
            "alarmRecipients":["\"mailto:ben@example.org\"","mailto:z@example.net?subject=x","MAILTO:a%2Bb@example.net"],
            "attendeeNames":["Ann ^'Q^'","one^ntwo ^^ \"three\""],
            "attendeeEmails":["mailto:ann%2Bcal@example.net","\"mailto:bob@example.net\""],
            "attendeeStatus":["",""],"organizer":"\"mailto:chef@example.net\""}"#,
    );
    let mails = mails(compose(&desk.office, &delivery));
    let to: Vec<String> = mails
        .iter()
        .map(|mail| mail.recipients[0].to_string())
        .collect();
    assert_eq!(to, ["ben@example.org", "z@example.net", "a+b@example.net"]);
    let event = Event::parse(&delivery.notification.message).unwrap();
    let alarm = Alarm::read(&event, delivery.received);
    let values = values(&desk.office, &event, &alarm);
    assert_eq!(values["organizer"]["email"], "chef@example.net");
    assert_eq!(
        values["attendees"],
        json!([
            {"name": "Ann \"Q\"", "email": "ann+cal@example.net", "status": "needs-action"},
            {"name": "one two ^ three", "email": "bob@example.net", "status": "needs-action"},
        ])
    );
}

#[test]
fn attendees_and_recurrences() {
    for (file, uid) in [(OLD, "att-110ea"), (NEW, "att-11fa6")] {
        let values = told(file, uid);
        assert_eq!(
            values["organizer"],
            json!({"name": "", "email": "alice@cyr.test"})
        );
        assert_eq!(
            values["attendees"],
            json!([
                {"name": "Müller, Jörg", "email": "bob@cyr.test", "status": "accepted"},
                {"name": "", "email": "ext@example.org", "status": "needs-action"},
                {"name": "", "email": "urn:uuid:11111111-2222-3333-4444-555555555555", "status": "needs-action"},
            ])
        );
    }
    let values = told(NEW, "rec-11fa6");
    assert_eq!(values["recurrence"]["date"], "2026-11-22");
    assert_eq!(values["recurrence"]["time"], "19:04");
}

#[test]
fn times_in_zones_without_and_of_days() {
    let zoned = told(OLD, "tz-110ea");
    assert_eq!(
        (&zoned["zone"], &zoned["abbreviation"]),
        (&json!("Europe/Vienna"), &json!("CET"))
    );
    assert_eq!(
        (&zoned["start"]["time"], &zoned["start"]["offset"]),
        (&json!("19:01"), &json!("+01:00"))
    );
    assert_eq!(
        (&zoned["alarm"]["time"], &zoned["late"]),
        (&json!("18:51"), &json!(0))
    );
    for (file, uid) in [(OLD, "float-110ea"), (NEW, "float-11fa6")] {
        let floating = told(file, uid);
        assert_eq!(
            (&floating["floating"], &floating["zone"]),
            (&json!(true), &json!(""))
        );
        assert_eq!(floating["late"], 0);
    }
    let days = told(OLD, "allday-110ea");
    assert_eq!(
        (&days["all_day"], &days["several_days"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&days["start"]["date"], &days["end"]["date"]),
        (&json!("2026-11-23"), &json!("2026-11-23"))
    );
}

#[test]
fn the_file_of_an_instance_in_a_zone() {
    let desk = desk(|_| {});
    let delivery = alarm(
        r#","timezone":"Europe/Berlin","start":"20260701T140500","end":"20260703T140500","recurrenceId":"2026-07-01T14:05:00","alarmTime":"20260701T135500""#,
    );
    let mail = mails(compose(&desk.office, &delivery)).remove(0);
    let file = parts_of(&mail).pop().unwrap().2;
    for line in [
        "DTSTART:20260701T120500Z\r\n",
        "DTEND:20260703T120500Z\r\n",
        "RECURRENCE-ID:20260701T120500Z\r\n",
    ] {
        assert!(file.contains(line), "{line} {file}");
    }
    assert_eq!(
        mail.wanted,
        Some("2026-07-01T11:55:00Z".parse::<Timestamp>().unwrap().into())
    );
    let day = alarm(
        r#","timezone":"[floating]","start":"20261123","allDay":1,"recurrenceId":"2026-11-23T00:00:00""#,
    );
    let mail = mails(compose(&desk.office, &day)).remove(0);
    let file = parts_of(&mail).pop().unwrap().2;
    assert!(
        file.contains("RECURRENCE-ID;VALUE=DATE:20261123\r\n"),
        "{file}"
    );
}

#[test]
fn a_zone_that_nobody_knows_does_not_make_it_late() {
    let desk = desk(|_| {});
    let delivery =
        alarm(r#","timezone":"custom_X","start":"20261122T190112","alarmTime":"20261122T185112""#);
    let mail = mails(compose(&desk.office, &delivery)).remove(0);
    assert_eq!(mail.wanted, Some(delivery.received));
    assert!(
        parts_of(&mail).iter().all(|part| part.1.is_none()),
        "no file"
    );
    let event = Event::parse(&delivery.notification.message).unwrap();
    let values = values(
        &desk.office,
        &event,
        &Alarm::read(&event, delivery.received),
    );
    assert_eq!(
        (&values["zone"], &values["start"]["time"]),
        (&json!("custom_X"), &json!("19:01"))
    );
    assert_eq!(
        (&values["late"], &values["floating"]),
        (&json!(0), &json!(false))
    );
}

#[test]
fn an_alarm_in_a_zone_of_windows_is_late_when_it_is() {
    let desk = desk(|_| {});
    let mut delivery = alarm(
        r#","timezone":"W. Europe Standard Time","start":"20261122T190112","alarmTime":"20261122T185112""#,
    );
    delivery.received += Duration::from_secs(600);
    let mail = mails(compose(&desk.office, &delivery)).remove(0);
    let due: SystemTime = "2026-11-22T17:51:12Z".parse::<Timestamp>().unwrap().into();
    assert_eq!(mail.wanted, Some(due));
    assert_eq!(mail.until, Some(due + Duration::from_secs(7200)));
    let parts = parts_of(&mail);
    assert!(
        parts
            .iter()
            .any(|part| part.2.contains("comes 10 minutes late"))
    );
    assert!(
        parts
            .last()
            .unwrap()
            .2
            .contains("DTSTART:20261122T180112Z\r\n")
    );
}

#[test]
fn lateness_is_counted_in_minutes() {
    let late = |seconds: u64| {
        let delivery = alarm("");
        let event = Event::parse(&delivery.notification.message).unwrap();
        Alarm::read(&event, delivery.received + Duration::from_secs(seconds)).late
    };
    assert_eq!(
        (late(59), late(60), late(89), late(90), late(3_600)),
        (0, 60, 60, 120, 3_600)
    );
}

#[test]
fn nonsense_is_still_a_mail() {
    let desk = desk(|_| {});
    let delivery = alarm(
        r##","start":"soon","end":5,"alarmTime":null,"summary":["a\r\nBcc: x"],"calendarColor":"#fff;x","attendeeEmails":{"a":1},"attendeeNames":7,"recurrenceId":"x","uid":"\u0000""##,
    );
    let mail = mails(compose(&desk.office, &delivery)).remove(0);
    let files = parts_of(&mail)
        .iter()
        .filter(|part| part.1.is_some())
        .count();
    assert_eq!(files, 0, "no file without a time");
    let message = String::from_utf8(mail.message.to_bytes()).unwrap();
    assert!(!message.split("\n\n").next().unwrap().contains("\nBcc"));
    let event = Event::parse(&delivery.notification.message).unwrap();
    let values = values(
        &desk.office,
        &event,
        &Alarm::read(&event, delivery.received),
    );
    assert_eq!(
        (&values["start"], &values["calendar"]["color"]),
        (&Value::Null, &json!(""))
    );
}

/// Words and files of a mail to many are made once; only the recipient and the Message-ID differ.
#[test]
fn what_all_recipients_get_is_there_once() {
    let list: Vec<String> = (0..50)
        .map(|n| format!(r#""mailto:r{n}@example.org""#))
        .collect();
    let list = format!(
        r#","alarmRecipients":[{}],"description":"{}""#,
        list.join(","),
        "x ".repeat(5000)
    );
    let desk = desk(|_| {});
    let mails = mails(compose(&desk.office, &alarm(&list)));
    assert_eq!(mails.len(), 50);
    let mut ids = std::collections::BTreeSet::new();
    for (n, mail) in mails.iter().enumerate() {
        assert_eq!(field(mail, "To"), format!("r{n}@example.org"));
        assert!(ids.insert(field(mail, "Message-ID")));
        assert!(mail.message.shares_body_with(&mails[0].message));
        let id = field(mail, "Message-ID");
        let rest = |mail: &Mail, id: &str, to: &str| {
            let text = String::from_utf8(mail.message.to_bytes()).unwrap();
            text.replace(id, "ID")
                .replace(&format!("To: {to}"), "To: TO")
        };
        let first = rest(&mails[0], &field(&mails[0], "Message-ID"), "r0@example.org");
        assert_eq!(rest(mail, &id, &format!("r{n}@example.org")), first);
    }
}

/// A composer says nothing itself: it is asked at each attempt.
#[test]
fn what_is_left_out_is_noted() {
    let list = r#","alarmRecipients":["mailto:a@example.org","urn:x"]"#;
    let desk = desk(|_| {});
    let mut notes = Notes::default();
    super::compose(&desk.office, &alarm(list), &mut notes);
    assert_eq!(notes.warnings.len(), 1);
    assert!(
        notes.warnings[0].contains("1 of its recipients left out: urn:x"),
        "{notes:?}"
    );
}
