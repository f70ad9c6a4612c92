//! What a running daemon tells about itself: metrics, health, counts, the live view.
//!
//! Plain `cargo test` runs it as whoever you are. As root the daemon becomes `nobody`, which every system has.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

#[path = "../alone/daemon.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod daemon;
#[path = "../stage/mod.rs"]
mod stage;

mod client;
mod ctl;
mod examples;
mod health;
mod http;
mod page;
mod scrape;
mod watch;
