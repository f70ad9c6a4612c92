//! The transport against a mail server that does as it is told.

use super::*;
use crate::config::Context;
use crate::mail::address::Address;

#[allow(dead_code, reason = "the integration tests use all of it")]
#[path = "../../../../tests/smtp/server.rs"]
mod server;

use std::sync::atomic::{AtomicBool, Ordering};

use server::{Act, At, Plan, Server, Step, certificate, until};

mod offers;

/// Long enough for any machine; half of it is for all before the data.
const LONG: Duration = Duration::from_secs(60);

fn smtp_with(host: &str, more: &str) -> Smtp {
    let text = format!(
        "configdirectory: /nowhere\nservername: us.test\nsmtp_backend: host\nsmtp_host: {host}\n{more}"
    );
    Smtp::new(&Settings::parse(text.as_bytes(), &Context::default()).unwrap())
}

fn smtp(server: &Server) -> Smtp {
    smtp_with(&server.host(), "")
}

fn submit(smtp: &Smtp, to: &[&str]) -> Vec<Answer> {
    submit_in(smtp, to, LONG, &Cancel::new().unwrap())
}

fn submit_in(smtp: &Smtp, to: &[&str], limit: Duration, cancel: &Cancel) -> Vec<Answer> {
    submit_message(smtp, to, b"Subject: s\n\n.text\n", limit, cancel)
}

fn submit_message(
    smtp: &Smtp,
    to: &[&str],
    message: &[u8],
    limit: Duration,
    cancel: &Cancel,
) -> Vec<Answer> {
    let to: Vec<Address> = to
        .iter()
        .map(|to| Address::parse(to.as_bytes()).unwrap())
        .collect();
    let letter = Letter {
        sender: None,
        recipients: &to.iter().collect::<Vec<_>>(),
        message,
    };
    smtp.submit(&letter, limit, cancel)
}

fn is_sent(answer: &Answer) -> bool {
    *answer == Answer::Sent("250 2.0.0 Ok: queued as 4711".into())
}
fn is_temporary(answer: &Answer) -> bool {
    matches!(answer, Answer::Temporary(_))
}
fn is_permanent(answer: &Answer) -> bool {
    matches!(answer, Answer::Permanent(_))
}
fn is_lost(answer: &Answer) -> bool {
    matches!(answer, Answer::Lost(_))
}
fn why(answer: &Answer) -> &str {
    let (Answer::Sent(why) | Answer::Temporary(why) | Answer::Permanent(why) | Answer::Lost(why)) =
        answer;
    why
}

/// With PIPELINING and without.
const BOTH: [&[&str]; 2] = [&["PIPELINING"], &[]];

fn server_with(
    offers: &'static [&'static str],
    script: impl Fn(&At) -> Act + Send + Sync + 'static,
) -> Server {
    let plan = Plan {
        offers,
        ..Plan::default()
    };
    Server::with(plan, script)
}

#[test]
fn a_mail_arrives_for_all_and_the_connection_is_kept() {
    for offers in BOTH {
        let server = server_with(offers, |_| Act::Well);
        let smtp = smtp(&server);
        for _ in 0..3 {
            let answers = submit(&smtp, &["a@x.test", "b@y.test"]);
            assert!(
                answers.len() == 2 && answers.iter().all(is_sent),
                "{answers:?}"
            );
        }
        let mails = server.mails();
        assert_eq!(mails.len(), 3);
        assert_eq!(mails[0].from, "<>");
        assert_eq!(mails[0].to, ["<a@x.test>", "<b@y.test>"]);
        assert_eq!(mails[0].data, b"Subject: s\n\n.text\n");
        assert_eq!(server.lines().len(), 1, "one connection");
        assert_eq!(server.count("EHLO us.test"), 2);
        drop(smtp);
        until("QUIT", || server.count("QUIT") == 1);
    }
}

#[test]
fn many_at_once_have_connections_of_their_own_and_no_more() {
    let server = Server::start(|_| Act::Well);
    let smtp = smtp(&server);
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(is_sent(&submit(&smtp, &["a@x.test"])[0])));
            }
        });
    }
    assert_eq!(server.mails().len(), 12);
    assert!(server.lines().len() <= 4);
}

#[test]
fn each_recipient_has_his_own_answer() {
    for offers in BOTH {
        for (reply, is_so) in [
            ("450 4.2.0 later", is_temporary as fn(&Answer) -> bool),
            ("550 5.1.1 no such user", is_permanent),
        ] {
            let server = server_with(offers, move |at| match at.line.contains("<b@") {
                true => Act::Say(reply),
                false => Act::Well,
            });
            let answers = submit(&smtp(&server), &["a@x.test", "b@x.test", "c@x.test"]);
            assert!(is_sent(&answers[0]) && is_so(&answers[1]) && is_sent(&answers[2]));
            let told = format!("{} said: {reply} (in reply to RCPT TO)", server.host());
            assert_eq!(why(&answers[1]), told);
            assert_eq!(server.mails()[0].to, ["<a@x.test>", "<c@x.test>"]);
        }
    }
}

#[test]
fn when_all_are_refused_no_data_go_and_the_connection_stays() {
    for offers in BOTH {
        let server = server_with(offers, |at| match (at.mail, at.step) {
            (1, Step::Rcpt) => Act::Say("550 5.1.1 no"),
            _ => Act::Well,
        });
        let smtp = smtp(&server);
        assert!(
            submit(&smtp, &["a@x.test", "b@x.test"])
                .iter()
                .all(is_permanent)
        );
        assert!(submit(&smtp, &["c@x.test"]).iter().all(is_sent));
        assert_eq!(server.lines().len(), 1);
        assert_eq!(server.count("RSET"), 1);
        assert_eq!(server.mails().len(), 1);
    }
}

#[test]
fn mail_that_is_refused_is_refused_for_all() {
    for offers in BOTH {
        let server = server_with(offers, |at| match (at.mail, at.step) {
            (1, Step::Mail) => Act::Say("550 5.7.1 not you"),
            _ => Act::Well,
        });
        let smtp = smtp(&server);
        let answers = submit(&smtp, &["a@x.test", "b@x.test"]);
        assert!(answers.iter().all(is_permanent));
        assert!(why(&answers[0]).ends_with("said: 550 5.7.1 not you (in reply to MAIL FROM)"));
        assert!(submit(&smtp, &["c@x.test"]).iter().all(is_sent));
        assert_eq!(server.lines().len(), 1);
    }
}

/// Steps before the data, in their order.
const BEFORE: [Step; 5] = [
    Step::Greeting,
    Step::Ehlo,
    Step::Mail,
    Step::Rcpt,
    Step::Data,
];

#[test]
fn who_goes_away_before_the_data_has_nothing() {
    for offers in BOTH {
        for act in [Act::SayAndClose("421 4.3.2 closing"), Act::Close] {
            for step in BEFORE {
                let now = act.clone();
                let server = server_with(offers, move |at| match at.step == step {
                    true => now.clone(),
                    false => Act::Well,
                });
                let smtp = smtp(&server);
                let answers = submit(&smtp, &["a@x.test", "b@x.test"]);
                assert!(answers.iter().all(is_temporary), "{step:?}: {answers:?}");
                let told = match act {
                    Act::Close => "connection lost",
                    _ => "said: 421 4.3.2 closing (in reply to ",
                };
                assert!(why(&answers[1]).contains(told), "{step:?}: {answers:?}");
                assert!(server.mails().is_empty());
            }
        }
    }
}

#[test]
fn goodbye_in_the_middle_counts_only_for_those_who_have_no_answer() {
    for offers in BOTH {
        let server = server_with(offers, |at| match at.line.as_str() {
            line if line.contains("<a@") => Act::Say("550 5.1.1 no"),
            line if line.contains("<b@") => Act::SayAndClose("421 4.3.2 closing"),
            _ => Act::Well,
        });
        let answers = submit(&smtp(&server), &["a@x.test", "b@x.test", "c@x.test"]);
        assert!(
            is_permanent(&answers[0]) && is_temporary(&answers[1]) && is_temporary(&answers[2])
        );
    }
}

#[test]
fn what_is_refused_after_the_data_is_refused() {
    for offers in BOTH {
        for (step, reply, is_so) in [
            (
                Step::Data,
                "451 4.3.0 later",
                is_temporary as fn(&Answer) -> bool,
            ),
            (Step::Data, "554 5.5.1 no", is_permanent),
            (Step::Data, "250 2.0.0 what", is_temporary),
            (Step::End, "451 4.3.0 later", is_temporary),
            (Step::End, "554 5.6.0 spam", is_permanent),
            (Step::End, "421 4.3.2 closing", is_temporary),
            (Step::End, "354 what", is_lost),
        ] {
            let server = server_with(offers, move |at| match at.step == step {
                true => Act::Say(reply),
                false => Act::Well,
            });
            let answers = submit(&smtp(&server), &["a@x.test", "b@x.test"]);
            assert!(answers.iter().all(is_so), "{reply}: {answers:?}");
        }
    }
}

#[test]
fn after_a_reply_that_cannot_be_the_connection_is_left() {
    for offers in BOTH {
        for (step, reply) in [(Step::Data, "250 2.0.0 what"), (Step::End, "354 what")] {
            let server = server_with(offers, move |at| match (at.mail, at.step == step) {
                (1, true) => Act::Say(reply),
                _ => Act::Well,
            });
            let smtp = smtp(&server);
            assert!(!is_sent(&submit(&smtp, &["a@x.test"])[0]));
            assert!(is_sent(&submit(&smtp, &["a@x.test"])[0]));
            assert_eq!(server.lines().len(), 2, "{reply}");
        }
    }
}

#[test]
fn an_answer_that_does_not_come_is_lost() {
    for offers in BOTH {
        for act in [Act::Close, Act::Say("nonsense"), Act::Hang] {
            let server = server_with(offers, move |at| match at.step == Step::End {
                true => act.clone(),
                false => Act::Well,
            });
            let limit = Duration::from_millis(600);
            let answers = submit_in(
                &smtp(&server),
                &["a@x.test"],
                limit,
                &Cancel::new().unwrap(),
            );
            assert!(is_lost(&answers[0]), "{answers:?}");
        }
    }
}

#[test]
fn who_says_nothing_is_left_before_the_data() {
    for offers in BOTH {
        for step in BEFORE {
            let server = server_with(offers, move |at| match at.step == step {
                true => Act::Hang,
                false => Act::Well,
            });
            let limit = Duration::from_millis(200);
            let answers = submit_in(
                &smtp(&server),
                &["a@x.test"],
                limit,
                &Cancel::new().unwrap(),
            );
            assert!(is_temporary(&answers[0]), "{step:?}: {answers:?}");
            assert!(why(&answers[0]).starts_with(&server.host()), "{answers:?}");
        }
    }
}

#[test]
fn a_raised_cancel_ends_the_waiting() {
    for (step, is_so) in [
        (Step::Mail, is_temporary as fn(&Answer) -> bool),
        (Step::End, is_lost),
    ] {
        let cancel = Arc::new(Cancel::new().unwrap());
        let raise = cancel.clone();
        let server = Server::start(move |at| match at.step == step {
            true => {
                raise.raise();
                Act::Hang
            }
            false => Act::Well,
        });
        let answers = submit_in(&smtp(&server), &["a@x.test"], LONG, &cancel);
        assert!(is_so(&answers[0]), "{answers:?}");
        assert_eq!(why(&answers[0]), "stopped, because the daemon ends");
    }
}

#[test]
fn what_was_left_before_the_data_is_not_sent_later() {
    let cancel = Arc::new(Cancel::new().unwrap());
    let left = Arc::new(AtomicBool::new(false));
    let (raise, go_on) = (cancel.clone(), left.clone());
    let server = Server::start(move |at| {
        if at.step == Step::Data {
            raise.raise();
            until("who waits to be gone", || go_on.load(Ordering::Acquire));
        }
        Act::Well
    });
    let answers = submit_in(&smtp(&server), &["a@x.test"], LONG, &cancel);
    assert!(is_temporary(&answers[0]), "{answers:?}");
    left.store(true, Ordering::Release);
    until("the end of the connection", || server.over() == 1);
    assert!(server.mails().is_empty());
}

#[test]
fn a_connection_that_rested_is_tried_first() {
    let server = Server::start(|at| match (at.connection, at.step) {
        (1, Step::Rset) => Act::SayAndClose("421 4.4.2 too late"),
        _ => Act::Well,
    });
    let smtp = smtp(&server);
    let connect = || smtp.server.connect(&connection::Clock::new(LONG)).unwrap();
    let long_ago = |mut connection: connection::Connection| {
        connection.used = Instant::now().checked_sub(line::IDLE).unwrap();
        connection
    };
    let there = line::still_there(connect()).unwrap();
    assert_eq!(server.count("RSET"), 0, "just used");
    assert!(line::still_there(long_ago(there)).is_some());
    assert!(line::still_there(long_ago(connect())).is_none());
    assert_eq!(server.count("RSET"), 2);
}

#[test]
fn data_that_are_wanted_for_nobody_are_none() {
    let server = server_with(&["PIPELINING"], |at| match (at.mail, at.step) {
        (1, Step::Rcpt) => Act::Say("550 5.1.1 no"),
        (1, Step::Other) if at.line == "DATA" => Act::Say("354 go on"),
        (1, Step::Other) => Act::Say("554 5.5.1 nobody"),
        _ => Act::Well,
    });
    let smtp = smtp(&server);
    assert!(is_permanent(&submit(&smtp, &["a@x.test"])[0]));
    assert!(is_sent(&submit(&smtp, &["b@x.test"])[0]));
    assert_eq!((server.lines().len(), server.count(".")), (1, 1));
}

#[test]
fn a_kept_connection_that_died_is_replaced_at_once() {
    for offers in BOTH {
        for (step, act) in [
            (Step::Mail, Act::Close),
            (Step::Mail, Act::SayAndClose("421 4.4.2 idle for too long")),
        ] {
            let server = server_with(offers, move |at| {
                match (at.connection, at.mail, at.step == step) {
                    (0, 2, true) => act.clone(),
                    _ => Act::Well,
                }
            });
            let smtp = smtp(&server);
            for _ in 0..2 {
                assert!(is_sent(&submit(&smtp, &["a@x.test"])[0]));
            }
            assert_eq!((server.lines().len(), server.mails().len()), (2, 2));
        }
    }
}

#[test]
fn a_new_connection_that_dies_is_not_tried_again_at_once() {
    let server = Server::start(|at| match at.step {
        Step::Mail => Act::Close,
        _ => Act::Well,
    });
    assert!(is_temporary(&submit(&smtp(&server), &["a@x.test"])[0]));
    assert_eq!(server.lines().len(), 1);
}

#[test]
fn nobody_there_is_told_in_few_words() {
    let gone = Server::start(|_| Act::Well);
    let host = gone.host();
    drop(gone);
    let answers = submit(&smtp_with(&host, ""), &["a@x.test"]);
    assert_eq!(
        answers,
        [Answer::Temporary(format!("{host}: connection refused"))]
    );
    let answers = submit(&smtp_with("localhost:lmtp", ""), &["a@x.test"]);
    let told = "smtp_host: lmtp: no port; a number is needed";
    assert_eq!(answers, [Answer::Temporary(told.into())]);
}

/// A client of a server with these addresses.
fn smtp_at(addresses: &[std::net::SocketAddr]) -> Smtp {
    let mut smtp = smtp_with("mx.test:25", "");
    let addresses = addresses.to_vec();
    let server = Arc::get_mut(&mut smtp.server).unwrap();
    server.look_up = Box::new(move |_| Ok(addresses.clone()));
    smtp
}

/// An address that drops packets: nobody takes the connections that wait there, and there is no room for more.
fn full() -> (
    rustix::fd::OwnedFd,
    Vec<std::net::TcpStream>,
    std::net::SocketAddr,
) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(
        &listener,
        &"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap(),
    )
    .unwrap();
    listen(&listener, 0).unwrap();
    let address: std::net::SocketAddr = getsockname(&listener).unwrap().try_into().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200))
    {
        waiting.push(stream);
        assert!(waiting.len() < 100, "there is always room");
    }
    (listener, waiting, address)
}

#[test]
fn an_address_that_does_not_answer_costs_a_share_of_the_time_once() {
    let closes = |at: &At| match at.step {
        Step::End => Act::SayAndClose("250 2.0.0 Ok: queued as 4711"),
        _ => Act::Well,
    };
    let (_listener, _waiting, dropping) = full();
    let silent = Server::start(|_| Act::Hang);
    for dead in [dropping, silent.address] {
        let server = Server::start(closes);
        let smtp = smtp_at(&[dead, server.address]);
        for _ in 0..3 {
            let limit = Duration::from_secs(8);
            let answers = submit_in(&smtp, &["a@x.test"], limit, &Cancel::new().unwrap());
            assert!(is_sent(&answers[0]), "{answers:?}");
        }
        assert_eq!(server.lines().len(), 3, "the server closes each connection");
    }
    assert_eq!(
        silent.lines().len(),
        1,
        "the one that worked is tried first"
    );
}

#[test]
fn each_address_that_fails_is_told() {
    let refuses = Server::start(|_| Act::SayAndClose("554 5.3.2 no service"));
    let gone = Server::start(|_| Act::Well).address;
    let smtp = smtp_at(&[gone, refuses.address]);
    let answers = submit(&smtp, &["a@x.test"]);
    let told = "mx.test:25: connection refused; mx.test:25 said: 554 5.3.2 no service (in reply to the connection)";
    assert_eq!(answers, [Answer::Temporary(told.into())]);
}
