//! The whole way with real parts: httpd, calalarmd, lmtpd and Sieve in Debian's Cyrus notify, our notifyd sends mail, Debian's
//! Postfix carries it back by LMTP, and what lies in the INBOX is looked at field by field.
//!
//! One Cyrus and one Postfix ([`scene`], [`postfix`]) for each way that a mail can leave notifyd: `sendmail`, and SMTP. They live in
//! the Cyrus tests' namespaces, where there is no network but loopback. What takes its time, which is calalarmd, is begun
//! first and looked at last. A case that fails does not keep the others from being tried.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[allow(dead_code, reason = "the Cyrus tests use the rest")]
#[path = "../cyrus/clients.rs"]
mod clients;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../common/holders.rs"]
mod holders;
#[allow(dead_code, reason = "the Cyrus tests use the rest")]
#[path = "../cyrus/server.rs"]
mod server;
#[allow(dead_code, reason = "the Cyrus tests use the rest")]
#[path = "../cyrus/setup.rs"]
mod setup;
#[path = "../stage/mod.rs"]
mod stage;

mod alarms;
mod calendar;
mod inbox;
mod invitation;
mod postfix;
mod quota;
mod scene;
mod sieve;

use scene::{Scene, Transport};
use setup::Form;
use sieve::Style;

fn the_whole_way(form: Form, transport: Transport) {
    let mut scene = Scene::start(form, transport);
    let alarms = alarms::put(&scene);
    scene.case("invitation", invitation::arrives);
    scene.case("answer to an invitation", invitation::is_answered);
    scene.case("invitation to nobody", invitation::comes_back);
    for style in [Style::Cyrus, Style::Rfc5436] {
        scene.style(style);
        sieve::cases(&mut scene, style);
    }
    scene.case("a mail server that is away", sieve::server_away);
    scene.case("quota", quota::one_mail);
    alarms::cases(&mut scene, &alarms);
    scene.end();
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav, postfix: run tests/run"]
fn by_sendmail() {
    the_whole_way(Form::Datagram, Transport::Sendmail);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd, cyrus-caldav, postfix: run tests/run"]
fn by_smtp() {
    the_whole_way(Form::Dlist, Transport::Smtp);
}
