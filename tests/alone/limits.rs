//! What method mailto remembers from one mail to the next: limits, and on whose behalf.

use super::ctl::{call, done, queue, wait_queue};
use super::daemon::{Alone, mail};
use super::stage::{Note, Signal};
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
fn above_a_limit_mail_is_held_listed_and_released() {
    let mut alone = start("[mailto]\nowner_limit = 2\n");
    for user in ["a", "b"] {
        alone.send(&of_alice(user));
        alone.wait_run(&[&format!("{user}@example.org")]);
    }
    for user in ["c", "d"] {
        alone.send(&of_alice(user));
    }
    let held = wait_queue(&alone, &["--state", "hold"], 2);
    for row in &held {
        assert_eq!(
            row["error"],
            "over the limit of 2 mails an hour on behalf of user alice"
        );
        assert_eq!(row["attempts"], 0, "it was not tried");
    }
    let line = "2 mails were sent within an hour on behalf of user alice: the rest is held";
    alone.wait_line(line);
    // The next process knows it too.
    alone.signal(Signal::TERM);
    assert!(alone.wait_exit().success());
    alone.spawn_ready();
    alone.send(&of_alice("e"));
    wait_queue(&alone, &["--state", "hold"], 3);
    assert_eq!(alone.count(line), 1, "one line a trip");

    let id = held[0]["id"].as_str().unwrap();
    assert_eq!(done(&alone, &["release", id]), "1 delivery released\n");
    alone.wait_run(&["c@example.org"]);
    wait_queue(&alone, &[], 2);
    assert_eq!(queue(&alone, &["--state", "hold"]).len(), 2);
    assert_eq!(alone.count_runs("d@example.org"), 0);
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
