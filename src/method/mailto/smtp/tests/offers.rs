//! What a server offers and what imapd.conf asks for: extensions, AUTH, TLS.

use super::*;

#[test]
fn eight_bits_go_where_they_are_taken_and_quoted_elsewhere() {
    let message = "Content-Transfer-Encoding: 8BIT\n\n.\u{fc}\n".as_bytes();
    let cancel = Cancel::new().unwrap();
    for (offers, mail, body) in [
        (&["8BITMIME"][..], "MAIL FROM:<> BODY=8BITMIME", ".\u{fc}"),
        (&[], "MAIL FROM:<>", ".=C3=BC"),
    ] {
        let server = server_with(offers, |_| Act::Well);
        submit_message(&smtp(&server), &["a@x.test"], message, LONG, &cancel);
        let data = server.mails()[0].data.clone();
        assert!(
            String::from_utf8(data)
                .unwrap()
                .ends_with(&format!("\n\n{body}\n"))
        );
        assert!(server.lines()[0].iter().any(|line| line == mail));
    }
    // No UTF-8, and nothing that says what it is: it goes as it is.
    let server = server_with(&[], |_| Act::Well);
    let message = b"A: b\n\n.\xff\n..\n";
    let answers = submit_message(&smtp(&server), &["a@x.test"], message, LONG, &cancel);
    assert!(is_sent(&answers[0]), "{answers:?}");
    let data = String::from_utf8(server.mails()[0].data.clone()).unwrap();
    assert_eq!(data, "A: b\n\n.\u{fffd}\n..\n");
}

#[test]
fn a_user_without_a_domain_gets_one() {
    for (more, to) in [
        ("", "bob@us.test"),
        ("defaultdomain: d.test\n", "bob@d.test"),
    ] {
        let server = server_with(&[], |_| Act::Well);
        let answers = submit(&smtp_with(&server.host(), more), &["bob"]);
        assert!(is_sent(&answers[0]), "{answers:?}");
        assert_eq!(server.mails()[0].to, [format!("<{to}>")]);
    }
}

#[test]
fn dsn_is_switched_off_where_it_is_offered() {
    let server = server_with(&["DSN"], |_| Act::Well);
    submit(&smtp(&server), &["a@x.test"]);
    assert_eq!(server.count("RCPT TO:<a@x.test> NOTIFY=NEVER"), 1);
}

#[test]
fn who_needs_smtputf8_is_refused_alone() {
    let server = server_with(&[], |_| Act::Well);
    let answers = submit(&smtp(&server), &["\u{fc}@x.test", "a@x.test"]);
    assert!(is_permanent(&answers[0]) && is_sent(&answers[1]));
    assert!(why(&answers[0]).ends_with("does not offer SMTPUTF8, which the address needs"));
    assert!(is_permanent(&submit(&smtp(&server), &["\u{fc}@x.test"])[0]));
}

#[test]
fn the_password_is_told_to_the_server_and_to_nobody_else() {
    const NAME: &str = "smtp_auth_authname: us\nsmtp_auth_password: secret\n";
    for (offer, line) in [
        ("AUTH PLAIN LOGIN", "AUTH PLAIN AHVzAHNlY3JldA=="),
        ("AUTH LOGIN", "AUTH LOGIN"),
    ] {
        let offers: &'static [&'static str] = Box::leak(Box::new([offer]));
        let server = server_with(offers, |at| match at.step {
            Step::Auth if at.line == "AUTH LOGIN" => Act::Say("334 VXNlcm5hbWU6"),
            Step::Other if at.line == "dXM=" => Act::Say("334 UGFzc3dvcmQ6"),
            Step::Other if at.line == "c2VjcmV0" => Act::Say("235 2.7.0 welcome"),
            _ => Act::Well,
        });
        let answers = submit(&smtp_with(&server.host(), NAME), &["a@x.test"]);
        assert!(is_sent(&answers[0]), "{answers:?}");
        assert_eq!(server.count(line), 1);
        let host = format!("{}/noauth", server.host());
        assert!(is_sent(&submit(&smtp_with(&host, NAME), &["a@x.test"])[0]));
        assert_eq!(server.count("AUTH"), 1, "noauth");
    }
    let server = server_with(&["AUTH PLAIN"], |at| match at.step {
        Step::Auth => Act::Say("535 5.7.8 bad password"),
        _ => Act::Well,
    });
    let answers = submit(&smtp_with(&server.host(), NAME), &["a@x.test", "b@x.test"]);
    assert!(answers.iter().all(is_temporary));
    assert!(why(&answers[0]).ends_with("said: 535 5.7.8 bad password (in reply to AUTH)"));
    assert!(!answers.iter().any(|a| why(a).contains("secret")));
    let server = server_with(&[], |_| Act::Well);
    let answers = submit(&smtp_with(&server.host(), NAME), &["a@x.test"]);
    assert!(is_temporary(&answers[0]) && why(&answers[0]).contains("neither AUTH PLAIN"));
}

#[test]
fn tls_that_is_asked_for_and_not_offered_sends_nothing() {
    let server = server_with(&[], |_| Act::Well);
    let smtp = smtp_with(&format!("{}/tls", server.host()), "");
    let answers = submit(&smtp, &["a@x.test"]);
    assert!(is_temporary(&answers[0]) && why(&answers[0]).contains("does not offer STARTTLS"));
    assert_eq!(server.count("MAIL"), 0);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan {
        offers: &["STARTTLS"],
        tls: Some(certificate("127.0.0.1", &dir.path().join("root.pem"))),
        ..Plan::default()
    };
    let server = Server::with(plan, |_| Act::Well);
    let smtp = smtp_with(&format!("{}/tls", server.host()), "");
    let answers = submit(&smtp, &["a@x.test"]);
    assert!(is_temporary(&answers[0]), "{answers:?}");
    assert!(why(&answers[0]).contains("certificate"), "{answers:?}");
    assert_eq!(server.lines()[0], ["EHLO us.test", "STARTTLS"]);
}
