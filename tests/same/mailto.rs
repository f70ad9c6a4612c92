//! Method `mailto`: how sendmail is run and what its header says.

use super::stage::{Mail, Note, Notifyd, Run, Setup, note, ours};

/// Runs of digits, letters and blanks of a value made `9`, `a` and ` `: its shape.
fn shape(value: &str) -> String {
    let class = |c: char| {
        if c.is_ascii_digit() {
            '9'
        } else if c.is_ascii_alphabetic() {
            'a'
        } else {
            c
        }
    };
    let mut shape: Vec<char> = value.chars().map(class).collect();
    shape.dedup();
    shape.into_iter().collect()
}

fn to_bob() -> Note {
    note("mailto")
        .class("SIEVE")
        .user("alice")
        .option("bob@example.org")
        .message("You have mail.")
}

fn recipient(run: &Run) -> &[u8] {
    assert_eq!(
        run.argv[..5],
        [&b"sendmail"[..], b"-i", b"-f", b"<>", b"--"],
        "sendmail's arguments"
    );
    assert_eq!(run.argv.len(), 6);
    &run.argv[5]
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn the_whole_message() {
    let n = Notifyd::start();
    let run = n.mail(&to_bob());
    assert_eq!(
        run.args(),
        ["sendmail", "-i", "-f", "<>", "--", "bob@example.org"]
    );
    let mail = Mail::parse(&run.stdin);
    if ours() {
        // Ours ends lines with LF, as sendmail's command line wants it, and adds to the header; stock's fields are all there.
        assert!(!run.stdin.contains(&b'\r'));
    } else {
        let (id, date) = (mail.text("Message-ID"), mail.text("Date"));
        let expected = format!(
            "Message-ID: {id}\r\nDate: {date}\r\nX-Sieve: CMU Sieve 3.0\r\nFrom: Mail Sieve Subsystem <postmaster>\r\n\
             To: <bob@example.org>\r\nSubject: [SIEVE] New mail notification\r\n\r\nYou have mail.\r\n"
        );
        assert_eq!(String::from_utf8_lossy(&run.stdin), expected);
    }
    assert_eq!(mail.text("X-Sieve"), "CMU Sieve 3.0");
    assert_eq!(mail.text("From"), "Mail Sieve Subsystem <postmaster>");
    assert_eq!(mail.text("To"), "<bob@example.org>");
    assert_eq!(mail.text("Subject"), "[SIEVE] New mail notification");
    assert_eq!(mail.body, b"You have mail.\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn message_id() {
    let n = Notifyd::start();
    let ids = [(); 3].map(|()| {
        Mail::parse(&n.mail(&to_bob()).stdin)
            .text("Message-ID")
            .to_owned()
    });
    for id in &ids {
        let usual = match id.split_once('.') {
            // A mark behind stock's id tells ours from forged ones: no mail is sent about a mail of ours.
            Some((start, rest)) if ours() => {
                let (mark, host) = rest.split_once('@').unwrap();
                assert!(
                    mark.len() == 12 && mark.bytes().all(|b| b.is_ascii_hexdigit()),
                    "{id}"
                );
                format!("{start}@{host}")
            }
            _ => id.clone(),
        };
        assert_eq!(shape(&usual), "<a-a-9-9-9@a.a>", "{id}");
        assert!(
            id.starts_with("<cmu-sieve-") && id.ends_with("@cyr.test>"),
            "{id}"
        );
    }
    assert!(
        ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
        "{ids:?}"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn date() {
    let n = Notifyd::start();
    let mail = Mail::parse(&n.mail(&to_bob()).stdin);
    let date = mail.text("Date");
    assert_eq!(shape(date).replace('-', "+"), "a, 9 a 9 9:9:9 +9", "{date}");
    assert_eq!(date.len() | 1, 31, "a day of one or two digits: {date}");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn no_option_no_mail() {
    let mut n = Notifyd::start();
    n.notify(&note("mailto").class("SIEVE").user("alice").message("m"));
    assert_eq!(n.fence_mailto().len(), 0);
    if !ours() {
        assert!(n.records().is_empty(), "stock is silent about it");
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn only_the_first_option_counts() {
    let mut n = Notifyd::start();
    let run = n.mail(
        &to_bob()
            .option("carol@example.org")
            .option("dave@example.org"),
    );
    assert_eq!(recipient(&run), b"bob@example.org");
    assert_eq!(Mail::parse(&run.stdin).text("To"), "<bob@example.org>");
    assert_eq!(n.fence_mailto().len(), 1);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn option_that_begins_with_a_hyphen() {
    let n = Notifyd::start();
    assert_eq!(
        recipient(&n.mail(&note("mailto").class("C").option("-oQ/tmp").message("m"))),
        b"-oQ/tmp"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn query_of_a_mailto_uri() {
    let n = Notifyd::start();
    let option = "bob@example.org?subject=%22hi%22&body=x&keywords=k";
    let run = n.mail(&note("mailto").class("C").option(option).message("m"));
    let mail = Mail::parse(&run.stdin);
    // Stock takes it for a part of the address. In its style the subject and the body are its own in both.
    let address = if ours() { "bob@example.org" } else { option };
    assert_eq!(recipient(&run), address.as_bytes());
    assert_eq!(mail.text("To"), format!("<{address}>"));
    assert_eq!(mail.text("Subject"), "[C] New mail notification");
    assert_eq!(mail.body, b"m\n");
    assert_eq!(mail.field("Keywords"), ours().then_some(&b"k"[..]));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn several_addresses() {
    let n = Notifyd::start();
    let option = "bob@example.org,%22a%20b%22@example.org?cc=carol@example.org";
    let run = n.mail(&note("mailto").class("C").option(option).message("m"));
    let mail = Mail::parse(&run.stdin);
    if ours() {
        // RFC 5436 section 2.7: each is a recipient; stock has one whose name is the whole text.
        let to = [
            "bob@example.org",
            "\"a b\"@example.org",
            "carol@example.org",
        ];
        assert_eq!(run.args()[5..], to);
        assert_eq!(mail.text("To"), format!("<{}>, <{}>", to[0], to[1]));
        assert_eq!(mail.text("Cc"), format!("<{}>", to[2]));
    } else {
        assert_eq!(recipient(&run), option.as_bytes());
        assert_eq!(mail.text("To"), format!("<{option}>"));
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn address_with_a_name() {
    let n = Notifyd::start();
    let option = "\"Doe, Bob\" <bob@example.org>";
    let run = n.mail(&note("mailto").class("C").option(option).message("m"));
    // Old scripts have such; sendmail gets brackets in brackets from stock.
    let address = if ours() { "bob@example.org" } else { option };
    assert_eq!(recipient(&run), address.as_bytes());
    assert_eq!(Mail::parse(&run.stdin).text("To"), format!("<{address}>"));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn domain_that_is_not_ascii() {
    let n = Notifyd::start();
    let option = "bob@bücher.example";
    let run = n.mail(&note("mailto").class("C").option(option).message("m"));
    // Without SMTPUTF8 no mail server takes it but as A-labels (RFC 5890).
    let address = if ours() {
        "bob@xn--bcher-kva.example"
    } else {
        option
    };
    assert_eq!(recipient(&run), address.as_bytes());
    assert_eq!(Mail::parse(&run.stdin).text("To"), format!("<{address}>"));
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn quoted_local_part() {
    let n = Notifyd::start();
    let run = n.mail(
        &note("mailto")
            .class("C")
            .option("\"a b\"@example.org")
            .message("m"),
    );
    assert_eq!(recipient(&run), b"\"a b\"@example.org");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn empty_option() {
    let mut n = Notifyd::start();
    let sent = note("mailto").class("C").option("").message("m");
    if ours() {
        // Nobody is named: no mail, one complaint, instead of a sendmail that fails.
        n.notify(&sent);
        assert_eq!(n.fence_mailto().len(), 0);
        n.log
            .wait("a complaint about the address", super::complaint);
    } else {
        assert_eq!(recipient(&n.mail(&sent)), b"");
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn blanks_around_the_address() {
    let n = Notifyd::start();
    let run = n.mail(
        &note("mailto")
            .class("C")
            .option("  bob@example.org\t")
            .message("m"),
    );
    // Old Sieve scripts have such options; sendmail would look for a user named "  bob".
    assert_eq!(
        recipient(&run),
        if ours() {
            &b"bob@example.org"[..]
        } else {
            b"  bob@example.org\t"
        }
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn eight_bit_address() {
    let n = Notifyd::start();
    let run = n.mail(
        &note("mailto")
            .class("C")
            .option("jürgen@example.org")
            .message("m"),
    );
    assert_eq!(recipient(&run), "jürgen@example.org".as_bytes());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn newline_in_the_address() {
    let mut n = Notifyd::start();
    let sent = note("mailto")
        .class("C")
        .option("bob@example.org>\r\nBcc: <eve@example.net")
        .message("m");
    if ours() {
        // A line of the sender's choice in the header is an injection: no mail, one complaint.
        n.notify(&sent);
        assert_eq!(n.fence_mailto().len(), 0);
        let record = n
            .log
            .wait("a complaint about the address", super::complaint);
        assert!(
            !record.text.contains(&b'\n'),
            "and no injection into the log"
        );
    } else {
        let run = n.mail(&sent);
        assert_eq!(
            recipient(&run),
            b"bob@example.org>\r\nBcc: <eve@example.net"
        );
        assert_eq!(Mail::parse(&run.stdin).text("Bcc"), "<eve@example.net>");
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn control_character_in_the_address() {
    let mut n = Notifyd::start();
    let sent = note("mailto")
        .class("C")
        .option("bob\x1b@example.org")
        .message("m");
    if ours() {
        // No address has one (RFC 5321), and a terminal that shows the log may obey it.
        n.notify(&sent);
        assert_eq!(n.fence_mailto().len(), 0);
        let record = n
            .log
            .wait("a complaint about the address", super::complaint);
        assert!(!record.text.contains(&0x1b));
    } else {
        assert_eq!(recipient(&n.mail(&sent)), b"bob\x1b@example.org");
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn newline_in_the_class() {
    let n = Notifyd::start();
    let mail = Mail::parse(
        &n.mail(
            &note("mailto")
                .class("X]\r\nBcc: eve@example.net\r\nX-Y: [")
                .option("bob@example.org")
                .message("m"),
        )
        .stdin,
    );
    if ours() {
        // The line ends become blanks: no field of the sender's making.
        assert_eq!(mail.field("Bcc"), None);
        let subject: Vec<&str> = mail.text("Subject").split_whitespace().collect();
        assert_eq!(
            subject.join(" "),
            "[X] Bcc: eve@example.net X-Y: [] New mail notification"
        );
    } else {
        assert_eq!(mail.text("Bcc"), "eve@example.net");
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn eight_bit_class() {
    let n = Notifyd::start();
    let mail = Mail::parse(
        &n.mail(
            &note("mailto")
                .class("Größe")
                .option("bob@example.org")
                .message("m"),
        )
        .stdin,
    );
    let subject = mail.text("Subject");
    if ours() {
        // Raw 8-bit has no meaning in a header without SMTPUTF8; RFC 2047 words have.
        assert!(subject.is_ascii(), "{subject}");
        assert_eq!(Mail::words(subject), "[Größe] New mail notification");
    } else {
        assert_eq!(subject, "[Größe] New mail notification");
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn empty_class() {
    let n = Notifyd::start();
    let mail = Mail::parse(
        &n.mail(&note("mailto").option("bob@example.org").message("m"))
            .stdin,
    );
    assert_eq!(mail.text("Subject"), "[] New mail notification");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn other_fields_do_not_show() {
    let n = Notifyd::start();
    let sent = to_bob()
        .priority("high")
        .mailbox("INBOX.secret")
        .fname("/nowhere/staged");
    let stdin = n.mail(&sent).stdin;
    let text = String::from_utf8_lossy(&stdin);
    assert!(
        !text.contains("secret") && !text.contains("staged"),
        "{text}"
    );
    // RFC 5436 section 2.4: what the script calls important may be so in the mail; stock does not say it.
    let importance = ["Importance", "X-Priority"]
        .map(|name| Mail::parse(&stdin).field(name).map(<[u8]>::to_vec));
    let wanted = [&b"High"[..], b"1"].map(|value| ours().then(|| value.to_vec()));
    assert_eq!(importance, wanted);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn automatic_mail_says_so() {
    let n = Notifyd::start();
    let mail = Mail::parse(&n.mail(&to_bob().user("alice@example.org")).stdin);
    // RFC 5436 section 2.7.1 wants it; stock leaves it out.
    let wanted: Option<&[u8]> = if ours() {
        Some(b"auto-notified; owner-email=\"alice@example.org\"")
    } else {
        None
    };
    assert_eq!(mail.field("Auto-Submitted"), wanted);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn two_mails_to_two_people() {
    let mut n = Notifyd::start();
    n.notify(
        &note("mailto")
            .class("A")
            .option("bob@example.org")
            .message("one"),
    );
    n.notify(
        &note("mailto")
            .class("B")
            .option("carol@example.org")
            .message("two"),
    );
    n.sendmail.wait_count(2);
    let mut seen: Vec<(Vec<u8>, Vec<u8>)> = n
        .fence_mailto()
        .iter()
        .map(|r| (recipient(r).to_vec(), Mail::parse(&r.stdin).body))
        .collect();
    seen.sort();
    let pair = |a: &str, b: &str| (a.as_bytes().to_vec(), b.as_bytes().to_vec());
    assert_eq!(
        seen,
        [
            pair("bob@example.org", "one\n"),
            pair("carol@example.org", "two\n")
        ]
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn postmaster_and_servername_are_configured() {
    let n = Setup::new()
        .conf("postmaster", "pm@example.org")
        .conf("servername", "mx.example.org")
        .start();
    let mail = Mail::parse(&n.mail(&to_bob()).stdin);
    assert_eq!(mail.text("From"), "Mail Sieve Subsystem <pm@example.org>");
    assert!(mail.text("Message-ID").ends_with("@mx.example.org>"));
}
