//! What came is turned into mails in work that grows with its size and no faster, whatever it is.
//!
//! Work is what valgrind counts: instructions. This test runs itself under valgrind, where each call of [`counted`] has a
//! count of its own, for inputs of which the second is twice the first. A step that takes the square of its input makes
//! four of one; one that is linear makes two, or less where an input is cut or something is done for every mail.

use super::desk::{Desk, desk, of};
use super::*;
use crate::config::toml::{Config, Flag, Recipients, Style, Text};
use crate::mail::Message;
use crate::mail::template::Words;
use serde_json::{Value, json};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};

/// Tells the process that it is the one under valgrind, and where it may write.
const FOLDER: &str = "NOTIFYD_WORK_FOLDER";
/// The name of the test in its process.
const NAME: &str = "method::mailto::work::twice_the_input_is_twice_the_work_at_most";
/// The function whose calls have counts of their own, as valgrind calls it.
const COUNTED: &str = "*work::counted";
/// How large the smaller input is, in bytes, where nothing else is said. Under valgrind all is a hundred times slower.
const SIZE: usize = 3000;
/// How much more work there may be for twice the input: sorting and hashing grow a little faster than what they sort.
const MOST: f64 = 2.4;
/// So much more of the work that each mail is, whatever is in it, is not seen as growth.
const NOISE: f64 = 0.03;
/// When valgrind is stopped: an input that cost more than its share has been found.
const LIMIT: Duration = Duration::from_secs(1200);

/// Inputs of any size that are the same when they are empty.
struct Group {
    name: &'static str,
    cases: Vec<Case>,
}

struct Case {
    name: &'static str,
    make: Box<dyn Fn(usize) -> Input>,
    /// How large the smaller one is, in bytes.
    size: usize,
}

/// What work is counted for.
enum Input {
    /// All from a notification to the bytes of its mails.
    Delivery(Box<Delivery>),
    /// A text that becomes a part of a mail.
    Text(String),
}

impl From<Delivery> for Input {
    fn from(delivery: Delivery) -> Input {
        Input::Delivery(Box::new(delivery))
    }
}

fn alone(name: &'static str, make: impl Fn(usize) -> Delivery + 'static) -> Group {
    let make = Box::new(move |size| make(size).into());
    // Items are larger than letters, and so must be what has many of them.
    let size = 2 * SIZE;
    Group {
        name,
        cases: vec![Case {
            name: "",
            make,
            size,
        }],
    }
}

/// Makes a text of about so many bytes.
type Shape = fn(usize) -> String;

/// Texts that have cost, or could cost, more than their share.
const SHAPES: &[(&str, Shape)] = &[
    ("links, addresses, words", |size| {
        "https://www.example.org/a?b=c&d=e Anna <anna@example.org>, ab cde ".repeat(size / 66)
    }),
    ("escapes", |size| {
        "\\n\\,\\;\\\\^n^'%41%%25%\";:=,@=?utf-8?q?a".repeat(size / 38)
    }),
    ("short lines", |size| "a\n".repeat(size / 2)),
    ("line ends", |size| "\r\n\r".repeat(size / 3)),
    ("indent", |size| {
        format!("x\n{}{}", " ".repeat(size / 2), "a ".repeat(size / 4))
    }),
    ("one long word", |size| "a".repeat(size)),
    ("blanks", |size| " \t\u{3000}".repeat(size / 5)),
    ("tags and entities", |size| {
        "<&\"'/>&lt;&#x41;&nbsp".repeat(size / 21)
    }),
    ("combining characters and controls", |size| {
        format!("e{}", "\u{301}\u{323}\u{1}\u{202e}".repeat(size / 8))
    }),
];
fn event(value: &Value) -> Delivery {
    of("EVENT", "", &value.to_string())
}

fn alarm(with: Value) -> Delivery {
    let mut event_of = json!({
        "event": "CalendarAlarm", "action": "email", "userId": "anna", "uid": "u", "timezone": "Europe/Berlin",
        "alarmTime": "20261122T175112", "start": "20261122T180112", "end": "20261122T190112",
    });
    if let (Value::Object(all), Value::Object(with)) = (&mut event_of, with) {
        all.extend(with);
    }
    event(&event_of)
}

fn invitation(lines: &str) -> Delivery {
    let ical = format!(
        "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTART:20261122T180112Z\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    let event = json!({ "recipient": "mailto:bob@example.org", "sender": "mailto:anna@cyr.test", "ical": ical });
    of("IMIP", "anna", &event.to_string())
}

fn sieve(option: &str, message: &str, file: Option<&Path>) -> Delivery {
    let mut of = of("SIEVE", "anna", message);
    of.notification.options = vec![option.into()];
    of.message_file = file.map(Path::to_owned).unwrap_or_default();
    of
}

/// Each kind of mail with such texts in all its fields.
fn texts(folder: &Path) -> Vec<Group> {
    let file = folder.join("message");
    let group = |name, shapes: usize, make: fn(&str, &Path) -> Delivery| {
        let cases = SHAPES[..shapes].iter().map(|&(name, text)| {
            let file = file.clone();
            let make = Box::new(move |size| make(&text(size), &file).into());
            Case {
                name,
                make,
                size: SIZE,
            }
        });
        Group {
            name,
            cases: cases.collect(),
        }
    };
    let all = SHAPES.len();
    vec![
        group("alarm", all, |text, _| of_alarm(text)),
        group("imip", all, |text, _| of_invitation(text)),
        group("imip, the whole object", 5, |text, _| invitation(text)),
        group("sieve", all, |text, _| of_script(text)),
        group("sieve, header of the message", 5, about_message),
        group("newmail", 5, |text, _| of_new_mail(text)),
        group("sieve, the whole URI", 3, |text, _| sieve(text, "", None)),
        group("quota", 3, |text, _| of_quota(text)),
        group("signin", 3, |text, _| of_sign_in(text)),
    ]
}

/// The beginning of a text.
fn part(text: &str, parts: usize) -> &str {
    &text[..text.floor_char_boundary(text.len() / parts)]
}

fn of_alarm(long: &str) -> Delivery {
    let short = part(long, 16);
    alarm(json!({
        "description": long, "summary": short, "location": short, "calendarName": short, "organizer": short,
        "uid": short, "serverFQDN": short, "calendarColor": short, "alarmRecipients": [short],
    }))
}

fn of_invitation(text: &str) -> Delivery {
    let [long, short] = [part(text, 2), part(text, 16)].map(|text| text.replace('\n', "\\n"));
    invitation(&format!(
        "DESCRIPTION:{long}\r\nCOMMENT:{long}\r\nSUMMARY:{short}\r\nLOCATION:{short}\r\n\
         ORGANIZER;CN={short}:mailto:anna@cyr.test\r\nATTENDEE;CN=\"{short}\":{short}\r\n\
         DTEND;X-A={short}:20261122T190112Z\r\nX-{short}:1\r\nRRULE:{short}"
    ))
}

fn of_script(message: &str) -> Delivery {
    let short: String = part(message, 8)
        .bytes()
        .map(|b| format!("%{b:02X}"))
        .collect();
    sieve(
        &format!("anna@example.org?subject={short}&body={short}&x-a={short}"),
        message,
        None,
    )
}

fn about_message(text: &str, file: &Path) -> Delivery {
    let text = part(text, 4);
    let header = format!(
        "Return-Path: <{text}>\r\nSubject: {text}\r\nFrom: {text}\r\nReferences: {text}\r\n{text}\r\n\r\n"
    );
    fs::write(file, header).unwrap();
    sieve("anna@example.org", "", Some(file))
}

fn of_new_mail(text: &str) -> Delivery {
    let text = part(text, 3).replace('\n', " ");
    of(
        "MAIL",
        "anna",
        &format!("From: {text}\nSubject: {text}\nTo: {text}\n"),
    )
}

fn of_quota(text: &str) -> Delivery {
    let text = part(text, 2);
    event(&json!({
        "event": "QuotaExceed", "user": "anna", "uri": format!("imap://h/{text}"), "serverFQDN": text,
        "diskUsed": 100, "diskQuota": 100,
    }))
}

fn of_sign_in(text: &str) -> Delivery {
    let text = part(text, 3);
    event(&json!({
        "event": "Login", "user": "anna", "clientIP": "192.0.2.1", "service": text, "serverFQDN": text, "timestamp": text,
    }))
}

/// Many of something, and what is large only together.
fn others() -> Vec<Group> {
    let many = |n: usize, one: fn(usize) -> String| (0..n).map(one).collect::<Vec<_>>();
    vec![
        Group {
            name: "text of short lines",
            cases: vec![Case {
                name: "",
                make: Box::new(|n| Input::Text("a\n".repeat(n / 2))),
                // So many that moving them counts, which takes one instruction for many bytes.
                size: 100_000,
            }],
        },
        alone("alarm: recipients", move |n| {
            alarm(
                json!({ "alarmRecipients": many(n / 20, |n| format!("mailto:r{n}@example.org")) }),
            )
        }),
        alone("alarm: recipients that are none", move |n| {
            alarm(json!({ "alarmRecipients": many(n / 20, |n| format!("urn:uuid:{n}")) }))
        }),
        alone("alarm: the same recipient", move |n| {
            alarm(
                json!({ "alarmRecipients": many(n / 20, |_| "mailto:r@b\u{fc}cher.example".into()) }),
            )
        }),
        alone("alarm: attendees", move |n| {
            alarm(json!({
                "attendeeEmails": many(n / 40, |n| format!("mailto:r{n}@example.org")),
                "attendeeNames": many(n / 40, |n| format!("Anna {n}")),
                "attendeeStatus": many(n / 40, |_| "ACCEPTED".into()),
                "organizer": "mailto:nobody@example.org",
            }))
        }),
        alone("imip: attendees", move |n| {
            invitation(
                &many(n / 40, |n| {
                    format!("ATTENDEE;CN=Anna {n}:mailto:r{n}@example.org")
                })
                .join("\r\n"),
            )
        }),
        alone("imip: dates", move |n| {
            let dates = many(n / 32, |n| format!("20261122T{:06}Z", n % 240_000)).join(",");
            invitation(&format!(
                "RRULE:FREQ=DAILY;BYDAY=MO,TU\r\nRDATE:{dates}\r\nEXDATE:{dates}"
            ))
        }),
        alone("imip: lines of dates", move |n| {
            invitation(
                &many(n / 45, |n| {
                    format!("EXDATE;TZID=Europe/Berlin:20261122T{:06}", n % 240_000)
                })
                .join("\r\n"),
            )
        }),
        alone("imip: time zones that nobody knows", move |n| {
            let one = |n: usize| {
                format!(
                    "EXDATE;TZID=/a/b/c{}/d e f/g:20261122T{:06}",
                    n % 300,
                    n % 240_000
                )
            };
            let lines = many(n / 45, one).join("\r\n");
            invitation(&format!("RRULE:FREQ=DAILY\r\n{lines}"))
        }),
        alone("imip: definitions of time zones", move |n| {
            let one = |n: usize| {
                format!(
                    "END:VEVENT\r\nBEGIN:VTIMEZONE\r\nTZID:z{n}\r\nBEGIN:STANDARD\r\nDTSTART:20200101T000000\r\n\
                     TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRDATE:20210101T000000,20220101T000000\r\n\
                     END:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nRECURRENCE-ID;TZID=z{n}:20261122T000000"
                )
            };
            invitation(&many(n / 250, one).join("\r\n"))
        }),
        alone("html: tags and links", move |n| {
            let html =
                "<p><a href='https://a.example/?a=b'>a<br></b>&amp;&nbsp;<ul><li>x</a><!-- -->"
                    .repeat(n / 90);
            alarm(json!({ "description": html }))
        }),
        alone("html: what is not closed", move |n| {
            alarm(
                json!({ "description": format!("<b>{}", "<style><a href=\"<!--&#&a</x <a href=".repeat(n / 36)) }),
            )
        }),
        alone("imip: parameters", move |n| {
            invitation(&format!(
                "ATTENDEE{}:mailto:a@b",
                many(n / 8, |n| format!(";X{n}=\"a\"")).concat()
            ))
        }),
        alone("imip: folded lines", move |n| {
            invitation(&format!("DESCRIPTION:{}", "ab\r\n ".repeat(n / 6)))
        }),
        alone("imip: components", move |n| {
            invitation(&"BEGIN:VALARM\r\nSUMMARY:x\r\nEND:VALARM\r\n".repeat(n / 40))
        }),
        alone("sieve: addresses of the URI", move |n| {
            sieve(
                &many(n / 20, |n| format!("r{n}@example.org")).join(","),
                "",
                None,
            )
        }),
        alone("sieve: fields of the URI", move |n| {
            sieve(
                &format!(
                    "a@b.example?{}",
                    many(n / 10, |n| format!("x-{n}=a")).join("&")
                ),
                "",
                None,
            )
        }),
        alone("event: values", move |n| {
            alarm(json!({ "x": vec![0; n / 4], "y": vec![json!({}); n / 8] }))
        }),
        alone("event: members", move |n| {
            let members = many(n / 12, |n| format!("x{n}"))
                .into_iter()
                .map(|name| (name, 0.into()));
            alarm(Value::Object(members.collect()))
        }),
        alone("event: nested", move |n| {
            let text = format!(
                "{{\"event\":\"CalendarAlarm\",\"x\":{}{}}}",
                "[".repeat(n / 8),
                "]".repeat(n / 8)
            );
            of("EVENT", "", &text)
        }),
        alone("event: to be repaired", move |n| {
            of(
                "EVENT",
                "",
                &format!(
                    "{{\"event\":\"CalendarAlarm\",\"description\":\"{}\"}}",
                    "\\ud800\t".repeat(n / 7)
                ),
            )
        }),
    ]
}

fn all(folder: &Path) -> Vec<Group> {
    texts(folder).into_iter().chain(others()).collect()
}

fn open(config: &mut Config) {
    config.alarm.display = Flag(true);
    config.alarm.recipients = Recipients::Any;
    config.newmail.to = Text("{user}@phone.example".into());
    config.mailto.style = Style::Rfc5436;
    // Its template is used all the same; what it becomes in a mail is in `others`.
    config.mailto.html = Flag(false);
}

/// What is counted.
#[inline(never)]
fn counted(desk: &Desk, input: &Input) -> usize {
    let delivery = match input {
        Input::Delivery(delivery) => delivery,
        Input::Text(text) => {
            let words = Words {
                text: text.clone(),
                html: Some(text.clone()),
                ..Words::default()
            };
            return Message::new().content(&words, true, &[]).to_bytes().len();
        }
    };
    match compose(&desk.office, delivery, &mut Notes::default()) {
        Composed::Mails(mails) => mails.iter().map(|mail| mail.message.to_bytes().len()).sum(),
        _ => 0,
    }
}

/// Each group with nothing, then each case in its size and in twice that: in the process under valgrind.
fn run(folder: &Path) {
    let desk = desk(open);
    black_box(counted(&desk, &alarm(json!({})).into())); // what is looked up once
    for group in all(folder) {
        black_box(counted(&desk, &(group.cases[0].make)(0)));
        for case in group.cases {
            black_box(counted(&desk, &(case.make)(case.size)));
            black_box(counted(&desk, &(case.make)(2 * case.size)));
        }
    }
}

/// Counts all cases: how much work each of the calls of [`run`] was.
fn count(folder: &Path) -> Vec<f64> {
    let mut valgrind = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--dump-after={COUNTED}"))
        .arg(format!("--callgrind-out-file={}/out", folder.display()))
        .arg(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--include-ignored", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("valgrind is installed: see tests/run");
    let end = Instant::now() + LIMIT;
    while valgrind.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            valgrind.kill().unwrap();
            valgrind.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let total = |n: usize| {
        let text = fs::read_to_string(folder.join(format!("out.{n}"))).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
    };
    (1..).map_while(total).collect()
}

#[test]
#[ignore = "needs valgrind: run tests/run"]
fn twice_the_input_is_twice_the_work_at_most() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return run(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    // The first call is the one that warms up.
    let mut counts = count(folder.path()).into_iter().skip(1);
    let mut wrong = Vec::new();
    for Group { name, cases } in all(folder.path()) {
        let nothing = counts.next().unwrap_or_default();
        for case in cases {
            let name = format!("{name}: {}", case.name);
            let (Some(once), Some(twice)) = (counts.next(), counts.next()) else {
                panic!("{name}: not done in {LIMIT:?}; {wrong:#?}");
            };
            let growth = (twice - nothing) / (once - nothing).max(nothing * NOISE);
            if growth > MOST {
                wrong.push(format!("{name}: {nothing} {once} {twice}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "instructions for nothing, for a text and for twice that: {wrong:#?}"
    );
}
