//! `/healthz`: ready, degraded, failing.

use super::client::{Place, configure, free_port, metrics_at, serving};
use super::daemon::{Alone, external};
use super::stage::{LIMIT, Signal, wait_for};
use serde_json::Value;
use std::fs;

fn health(place: &Place) -> (u16, String) {
    let answer = place.get("/healthz").unwrap();
    (answer.code, answer.body)
}

#[test]
fn ready_is_one_word() {
    let (_alone, place) = serving(&[]);
    assert_eq!(health(&place), (200, "ready\n".to_owned()));
    for request in [
        "GET /healthz?json HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nAccept: application/json\r\n\r\n",
    ] {
        let answer = place.ask(request.as_bytes()).unwrap();
        assert!(answer.head.contains("Content-Type: application/json"));
        let value: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(value["state"], "ready");
    }
}

#[test]
fn a_disk_that_refuses_degrades_and_what_is_in_memory_counts() {
    let mut alone = Alone::new();
    let place = Place::Tcp(free_port());
    configure(&alone, &metrics_at(&place), &[]);
    // A file where the spool's folder should be.
    fs::write(alone.path("conf/notifyd"), "").unwrap();
    alone.hang(true);
    alone.spawn_ready();
    place.wait("a scrape", |_| true);
    let (code, text) = health(&place);
    assert_eq!(code, 200);
    assert!(text.starts_with("degraded\nmemory: "), "{text}");
    for user in ["a", "b"] {
        alone.send(&external(user));
    }
    let page = place.wait("what is in memory", |page| {
        page.value("notifyd_queue{method=\"external\",state=\"incoming\"}") == Some(1.0)
    });
    assert_eq!(page.value("notifyd_degraded{reason=\"memory\"}"), Some(1.0));
    assert_eq!(
        page.value("notifyd_spooled_total{to=\"memory\"}"),
        Some(2.0)
    );
    fs::remove_file(alone.path("conf/notifyd")).unwrap();
    wait_for("ready", LIMIT, || {
        (health(&place).1 == "ready\n").then_some(())
    });
    let page = place.page().unwrap();
    assert_eq!(page.value("notifyd_degraded{reason=\"memory\"}"), Some(0.0));
}

#[test]
fn a_mistake_in_the_configuration_degrades_until_it_is_mended() {
    let mut alone = Alone::new();
    let place = Place::Tcp(free_port());
    let good = metrics_at(&place);
    configure(&alone, &format!("{good}nonsense = 1\n"), &[]);
    alone.spawn_ready();
    place.wait("a scrape", |page| {
        page.value("notifyd_degraded{reason=\"configuration\"}") == Some(1.0)
    });
    let (code, text) = health(&place);
    assert_eq!(code, 200);
    assert!(
        text.starts_with("degraded\nconfiguration: ") && text.contains("nonsense"),
        "{text}"
    );
    configure(&alone, &good, &[]);
    alone.signal(Signal::HUP);
    wait_for("ready", LIMIT, || {
        (health(&place).1 == "ready\n").then_some(())
    });
    // One that cannot be read at all leaves the old one in force.
    fs::write(alone.path("imapd.conf"), "no colon\n").unwrap();
    alone.signal(Signal::HUP);
    wait_for("degraded", LIMIT, || {
        health(&place)
            .1
            .starts_with("degraded\nconfiguration: ")
            .then_some(())
    });
}

#[test]
fn a_spool_that_fills_degrades_and_one_that_is_full_fails() {
    let mut alone = Alone::new();
    let place = Place::Tcp(free_port());
    let toml = format!(
        "[spool]\nmax_rows = 5\nuser_share = 0\n{}",
        metrics_at(&place)
    );
    configure(&alone, &toml, &[]);
    alone.hang(true);
    alone.spawn_ready();
    for _ in 0..4 {
        alone.send(&external("alice"));
    }
    place.wait("a spool that is nearly full", |page| {
        page.value("notifyd_degraded{reason=\"nearly_full\"}") == Some(1.0)
    });
    assert_eq!(
        health(&place),
        (
            200,
            "degraded\nnearly_full: the spool is 80 % full\n".into()
        )
    );
    // One by one: what is peeked at together is kept together.
    alone.send(&external("alice"));
    place.wait("a full spool", |page| {
        page.value("notifyd_spooled_total{to=\"disk\"}") == Some(5.0)
    });
    for _ in 0..2 {
        alone.send(&external("alice"));
    }
    let page = place.wait("drops", |page| {
        page.value("notifyd_dropped_total") == Some(2.0)
    });
    assert_eq!(page.value("notifyd_spooled_total{to=\"disk\"}"), Some(5.0));
    assert_eq!(
        page.value("notifyd_degraded{reason=\"dropping\"}"),
        Some(1.0)
    );
    let (code, text) = health(&place);
    assert!(
        code == 503 && text.starts_with("failing\n"),
        "{code} {text}"
    );
    assert!(text.contains("\ndropping: "), "{text}");
}
