//! Alarms as Cyrus 3.6.1 sends them for series, from the datagram to the mail server.

use super::*;
use crate::wire::Notification;
use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders};
use serde_json::json;
use std::path::PathBuf;

/// Attempts at alarms; the clock is theirs.
struct Series {
    stage: Stage,
    next: i64,
}

impl Series {
    fn new() -> Series {
        let sent = [sent()];
        Series {
            stage: Stage::new(&[sent.as_slice(); 100]),
            next: 0,
        }
    }

    /// An alarm for `time` about an event of an hour in Berlin from 10:00 on, on that day of April 2999.
    fn alarm(&mut self, time: &str, day: u32) -> Delivery {
        self.next += 1;
        let message = json!({
            "event": "CalendarAlarm", "alarmTime": time, "alarmRecipients": [], "userId": "anna", "calendarId": "c",
            "uid": "weekly-1", "action": "email", "summary": "Jour fixe", "timezone": "Europe/Berlin",
            "start": format!("299904{day:02}T100000"), "end": format!("299904{day:02}T110000"),
        });
        let received: Timestamp = "2999-04-08T07:30:10Z".parse().unwrap();
        Delivery {
            id: self.next,
            attempt: 1,
            begun: 1,
            asked: 0,
            received: received.into(),
            notification: Notification {
                method: b"mailto".to_vec(),
                class: b"EVENT".to_vec(),
                message: message.to_string().into_bytes(),
                ..Notification::default()
            },
            message_file: PathBuf::new(),
        }
    }

    fn deliver(&self, delivery: &Delivery) -> Outcome {
        let limit = Duration::from_secs(60);
        self.stage
            .mailto
            .deliver(delivery, limit, &Cancel::new().unwrap())
    }

    /// The days in April that mails were sent about.
    fn days(&self) -> Vec<String> {
        let submitted = self.stage.submitted.lock().unwrap();
        let day = |(_, message): &(Vec<String>, String)| {
            let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
            let file = parsed
                .attachments()
                .find(|part| part.attachment_name().is_some());
            let text = file.unwrap().text_contents().unwrap().to_owned();
            let start = text.split("DTSTART:299904").nth(1).unwrap();
            start[..2].to_owned()
        };
        submitted.iter().map(day).collect()
    }
}

/// The next attempt.
fn again(delivery: &Delivery) -> Delivery {
    Delivery {
        begun: delivery.begun + 1,
        ..delivery.clone()
    }
}

fn done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Delivered(_) | Outcome::Discarded(_))
}

#[test]
fn an_absolute_alarm_of_a_series_is_one_mail_about_the_next_instance() {
    let mut series = Series::new();
    let absolute = "29990408T073000Z";
    let all: Vec<Delivery> = (1..=30).map(|day| series.alarm(absolute, day)).collect();
    let mut later = Vec::new();
    for delivery in &all {
        match series.deliver(delivery) {
            Outcome::Temporary(why) => {
                assert!(why.contains("is over"), "{why}");
                later.push(delivery);
            }
            outcome => assert!(done(&outcome), "{outcome:?}"),
        }
    }
    assert_eq!(later.len(), 1, "one waits to see");
    let later: Vec<Delivery> = later.into_iter().map(again).collect();
    assert!(later.iter().all(|delivery| done(&series.deliver(delivery))));
    assert_eq!(series.days(), ["08"]);
    // calalarmd is started anew, and sends all of it once more.
    for delivery in &all {
        let again = Delivery {
            id: delivery.id + 100,
            ..delivery.clone()
        };
        assert!(done(&series.deliver(&again)));
    }
    assert_eq!(series.days(), ["08"]);
}

#[test]
fn an_absolute_alarm_behind_a_single_event_is_sent() {
    let mut series = Series::new();
    let alarm = series.alarm("29990408T073000Z", 7);
    assert!(matches!(series.deliver(&alarm), Outcome::Temporary(_)));
    let later = again(&alarm);
    assert!(matches!(series.deliver(&later), Outcome::Delivered(_)));
    assert_eq!(series.days(), ["07"]);
}

#[test]
fn two_reminders_of_a_series_that_fall_together_are_two_mails() {
    let mut series = Series::new();
    let both = [8, 15].map(|day| series.alarm("29990408T100000", day));
    for alarm in &both {
        assert!(matches!(series.deliver(alarm), Outcome::Delivered(_)));
    }
    assert_eq!(series.days(), ["08", "15"]);
    for alarm in &both {
        let again = Delivery {
            id: alarm.id + 100,
            ..alarm.clone()
        };
        let before = Outcome::Delivered("the same was sent before".into());
        assert_eq!(series.deliver(&again), before);
    }
    assert_eq!(series.days(), ["08", "15"]);
}
