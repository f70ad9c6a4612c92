//! Our notifyd in a real Cyrus: Debian's master 3.6.1 starts it, and imapd, lmtpd, httpd and
//! calalarmd feed it.
//!
//! Each test has a Cyrus of its own ([`setup`], [`server`]): a directory, a mount namespace with a /dev/log, a network
//! namespace with nothing in it but loopback. So tests run side by side and touch nothing outside.
//! Sendmail and the external program are the stage's recorders. What there is to measure is
//! printed (`--nocapture`); what is asserted is an order of events, never a time.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "../common/holders.rs"]
mod holders;
#[path = "../stage/mod.rs"]
mod stage;

mod clients;
mod conf;
mod every_source;
mod hang_up;
mod kill;
mod no_waiting;
mod server;
mod setup;
mod staged;
mod starts;
