//! What method mailto remembers from one mail to the next: limits, and on whose behalf.

use super::ctl::{call, done, wait_queue};
use super::daemon::{Alone, mail};
use super::stage::{Note, Signal, note};
use super::toml::write;

fn of_alice(to: &str) -> Note {
    mail(to).user("alice")
}

fn start(toml: &str) -> Alone {
    let mut alone = Alone::new();
    write(&alone, toml);
    alone.spawn_ready();
    alone
}

#[test]
fn above_a_limit_mail_waits_and_goes_by_itself_when_there_is_room() {
    let mut alone = start("[mailto]\nowner_limit = 2\n");
    for user in ["a", "b"] {
        alone.send(&of_alice(user));
        alone.wait_run(&[&format!("{user}@example.org")]);
    }
    for user in ["c", "d"] {
        alone.send(&of_alice(user));
    }
    let waiting = wait_queue(&alone, &["--state", "deferred"], 2);
    let why = "over the limit of 2 mails an hour on behalf of user alice";
    for row in &waiting {
        assert!(row["error"].as_str().unwrap().starts_with(why), "{row}");
    }
    let line = "2 mails were sent within an hour on behalf of user alice: the rest waits until there is room";
    alone.wait_line(line);
    alone.wait_line(&format!("status=deferred ({why}"));
    // The next process knows it too, and others are not concerned.
    alone.signal(Signal::TERM);
    assert!(alone.wait_exit().success());
    alone.spawn_ready();
    alone.send(&of_alice("e"));
    alone.send(&mail("f").user("bob"));
    alone.wait_run(&["f@example.org"]);
    wait_queue(&alone, &["--state", "deferred"], 3);
    assert_eq!(alone.count(line), 1, "one line an hour");

    let id = waiting[0]["id"].as_str().unwrap();
    done(&alone, &["hold", id]);
    assert_eq!(done(&alone, &["release", id]), "1 delivery released\n");
    alone.wait_run(&["c@example.org"]);
    assert_eq!(alone.count_runs("d@example.org"), 0);

    // 28 a second.
    let room = "[mailto]\nowner_limit = 100000\n[retry]\nfirst = '1s'\nmaximum = '1s'\n";
    write(&alone, room);
    alone.signal(Signal::TERM);
    assert!(alone.wait_exit().success());
    alone.spawn_ready();
    alone.wait_run(&["d@example.org"]);
    alone.wait_run(&["e@example.org"]);
    wait_queue(&alone, &[], 0);
    assert_eq!(alone.count_runs("c@example.org"), 1);
}

/// What a script sends somebody leaves room for what the server has to say.
#[test]
fn scripts_use_up_nothing_of_what_the_server_says() {
    let own = "[mailto]\nowner_limit = 2\nrecipient_limit = 2\n[quota]\nmail = 'named'\n";
    let alone = start(own);
    for n in 0..3 {
        alone.send(&mail("carol").user("mallory").message(format!("{n}")));
    }
    wait_queue(&alone, &["--state", "deferred"], 1);
    let event = r#"{"event":"QuotaExceed","uri":"imap://alone.test/user/carol","user":"carol@example.org","diskQuota":100,"diskUsed":100}"#;
    alone.send(&note("mailto").class("EVENT").message(event));
    alone.wait_line("class=EVENT, user=carol@example.org, attempts=1");
    alone.wait_line("status=delivered");
    alone.wait_run(&["Subject: ", "carol@example.org", "auto-generated"]);
}

#[test]
fn an_owner_token_tells_nobody_but_the_operator() {
    let alone = start("[mailto]\nowner = \"token\"\n");
    alone.send(&of_alice("bob"));
    alone.wait_run(&["bob@example.org"]);
    let run = &alone.runs()[0];
    let token = run
        .split("auto-notified; owner-token=")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_hexdigit()).next())
        .unwrap();
    assert!(!run.contains("alice"), "{run}");
    assert_eq!(done(&alone, &["owner", token]), "alice\n");
    let (code, out, err) = call(&alone, &["owner", "00ff"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(err, "notifyctl: nobody is known by '00ff'\n");
}
