//! The daemon standing alone: started by hand or by systemd, without Cyrus' master and without any peer.
//!
//! Plain `cargo test` runs it as whoever you are. As root the daemon becomes `nobody`, which every system has.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "../common/retry.rs"]
mod retry;
#[path = "../stage/mod.rs"]
mod stage;

mod clock;
mod command_line;
mod ctl;
mod daemon;
mod limits;
mod recipients;
mod signals;
mod socket;
mod systemd;
mod toml;
mod twice;
