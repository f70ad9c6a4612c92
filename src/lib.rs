//! cyrus-notifyd: the notification daemon that Cyrus IMAP should have shipped.
//!
//! # The data's way
//!
//! ```text
//!    fd 4 from master, or notifysocket
//!             |  datagram: peeked, not yet taken      |  dlist connection
//!   intake    decode -- bad --> one warning, counted, next
//!             |  Notification + sender's uid and pid
//!   route     -> the methods that get it (pure)
//!             |  immediate methods (null, log): done here, no disk  |  the rest: one delivery per method
//!   spool     one transaction per batch
//!             |  now consume the batch from the kernel / answer OK to dlist
//!   dispatch  due deliveries, a permit of that method, a time limit
//!             |  Method::deliver -> Delivered | Discarded(why) | Temporary(why) | Permanent(why) | Hold(why) | Expired(why)
//!   retry     verdict: done, again at t, give up, on hold (pure)
//!             v
//!   spool     settle
//! ```
//!
//! # The house
//!
//! Arrows only go down; `tests/floors.rs` reads the `use` lines and holds it.
//!
//! | floor | rooms |
//! |---|---|
//! | 3 | the programs in `src/bin`: arguments, library, exit code |
//! | 2 | [`daemon`] the running service, [`ctl`] the operator's hand |
//! | 1 | [`method`] how a notification is delivered |
//! | 0 | [`wire`] [`event`] [`config`] [`spool`] [`mail`] [`system`]: each knows only itself |
//!
//! # Decisions worth knowing
//!
//! * Threads and `poll(2)`, no async runtime: one thread peeks at the socket, commits and consumes; a
//!   stand-in peeks while a commit lasts, so that a staged message is opened before lmtpd unlinks it; one
//!   decides about deliveries, each permit of a method is a thread, one looks after the spool's disk.
//! * One lock file ([`system::lock`]) makes one process of many the one that reads *and* delivers.
//! * A method that is done at intake (`null`, `log`) goes through the spool after all when it
//!   cannot be done at that moment.
//! * When the disk refuses, new deliveries go to the same table in memory, and move to the disk
//!   later ([`spool`]).
//! * A mistake in notifyd.toml costs the key that it is in and stops nothing ([`config::toml`]): else every Cyrus
//!   program would wait for an administrator's typing error.
//! * SQLite goes on with a file whose name is gone. A spool that is removed while in use is written anew from it.
//! * A record of `log` is delivered when syslogd's socket has it, not when it waits for syslogd in our memory.
//! * What happens is counted in one place ([`daemon::monitor`]), which the log, Prometheus, `notifyctl stats` and
//!   `watch` read. The daemon answers no commands: the operator's hand is the spool.
//! * A method says which notifications it wants ([`method::Kind::wants`]): those that name it, and `mailto` those of which
//!   notifyd.toml says that they become mail whatever method Cyrus names.
//! * What `mailto` remembers (who has a mail, limits, tokens) is in a file of its own ([`spool::ledger`]): it never holds up a
//!   commit of the intake, and nothing in it is owed. A mail that leaves whole at its first attempt is not written there:
//!   the spool counts attempts before they begin, and never counts back (`begun`).
//! * What becomes of a recipient is one table, in `method/mailto/recipient.rs`. What is above a limit is deferred, not held,
//!   and each kind of mail has limits of its own: scripts use up nothing of what the server has to say.
//! * A staged message is taken only when it is certain which one it is: lmtpd before Cyrus 3.10 gives the next message the
//!   same name. Its folder is watched, so that each message is opened while lmtpd writes it (`daemon/staged`).
//! * Deliveries are stamped by a clock that runs on the monotonic one between two looks at the system's; when that was set,
//!   due times move with it ([`spool`]). Age is the time in which a process ran.
//! * New deliveries stop before the disk is full, and a file holds room, so that what is there can always be delivered.
//!   SQLite gives up at the first damaged page; what else can be read is read by a reader of ours (`spool/db/salvage.rs`).
//! * Master's descriptors are passed to ourselves by `SCM_RIGHTS`: the one safe way that no seccomp profile forbids.
//! * A dlist process that follows two that died young does not seem ready to master, which would disable the service.
//! * SMTP is lettre's connection and our transaction, because each recipient has an answer of his own. lettre cannot be
//!   interrupted, so each connection has a thread.
//! * A program's input is whole before the program starts ([`system::command`]): our death cuts no mail.
//! * A thread cannot be killed: an attempt that goes on past its time limit is left to itself, and its permit goes to a fresh
//!   thread. A delivery in whose attempts the process died or that had to be left so three times goes on hold.
//! * At a hand-over reading stops with the last attempt under way; only at the end for good is the socket emptied.
//! * What a newer Cyrus than 3.6.1 may write into imapd.conf is a warning for the daemon where it does
//!   not concern it, and fatal for `notifyctl config`, which shows what Cyrus 3.6.1 would say.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod config;
pub mod ctl;
pub mod daemon;
pub mod event;
pub mod mail;
pub mod method;
pub mod spool;
pub mod system;
pub mod wire;
