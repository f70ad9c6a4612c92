//! The running service: built, run, handed over.
//!
//! Threads: the main one waits for what it is told (`service.rs`); `intake` reads the socket and makes safe what it
//! read, `stand-in` peeks while that lasts; `dispatch` decides about deliveries, which run on threads of
//! their lanes; `spool` keeps house; `syslog` and `signals`; `stats`, `watch` and `metrics` tell others how it goes, and
//! nobody waits for them.
//!
//! Under Cyrus' master, SIGHUP means that a fresh process shall take over. We go on reading until
//! the attempts under way have ended, then stop reading and exit: the gap between the two readers is
//! what a sender can feel. Standing alone, SIGHUP reads the configuration again.

pub mod commit;
mod datagrams;
pub mod dispatch;
pub mod instances;
pub mod intake;
mod lanes;
mod listening;
pub mod metrics;
pub mod monitor;
mod nameless;
pub mod options;
mod own;
mod reading;
mod reminder;
pub mod retry;
pub mod route;
pub mod rules;
mod service;
mod staged;
mod stand_in;
mod starts;
mod stats;
mod streams;
mod suspects;
mod waker;
mod watchdog;
pub mod watchers;

use crate::config::toml::Level;
use crate::config::{Context, Settings};
use crate::method::{self, Kind};
use crate::system::signal::{self, Caught};
use crate::system::syslog::{DEV_LOG, Identity, Syslog, printable};
use crate::system::user;
use log::{LevelFilter, error, warn};
use options::{Options, USAGE};
use rustix::fs::Mode;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Exit codes, of sysexits(3).
mod exit {
    pub(super) const USAGE: u8 = 64;
    pub(super) const OSERR: u8 = 71;
    pub(super) const CONFIG: u8 = 78;
}

/// Why the daemon ends before its time: what to say, and the exit code.
struct Fatal(String, u8);

impl From<io::Error> for Fatal {
    fn from(error: io::Error) -> Fatal {
        Fatal(error.to_string(), exit::OSERR)
    }
}

/// Where we stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Started by Cyrus' master, which gave us the socket.
    UnderMaster,
    /// Started by systemd or by hand.
    Alone,
}

/// Runs `notifyd` with `arguments` (without the program's name) until it is told to end; the exit code.
pub fn main(arguments: &[OsString]) -> u8 {
    let signals = signal::catch();
    let context = Context {
        lenient: true,
        ..Context::from_env()
    };
    let standing = match std::env::var_os("CYRUS_SERVICE") {
        Some(_) => Standing::UnderMaster,
        None => Standing::Alone,
    };
    let first = Identity {
        ident: text(&context.syslog_ident()),
        facility: crate::config::Facility::Mail.code(),
    };
    let syslog = match Syslog::open(Path::new(DEV_LOG), first) {
        Ok(syslog) => syslog,
        Err(error) => {
            let _ = writeln!(io::stderr(), "notifyd: {error}"); // nobody else is left to tell
            return exit::OSERR;
        }
    };
    syslog.install();
    // Somebody at a terminal wants to see what happens; master's and systemd's services have none.
    syslog.set_stderr(standing == Standing::Alone && rustix::termios::isatty(io::stderr()));
    let code = match run(arguments, &context, standing, &syslog, signals) {
        Ok(()) => 0,
        Err(Fatal(message, code)) => {
            error!("Fatal error: {message}");
            if standing == Standing::Alone && !syslog.stderr() {
                let _ = writeln!(io::stderr(), "notifyd: {message}"); // as above
            }
            if standing == Standing::Alone && code == exit::USAGE {
                let _ = write!(io::stderr(), "{USAGE}"); // as above
            }
            code
        }
    };
    syslog.flush(Duration::from_secs(1));
    code
}

fn run(
    arguments: &[OsString],
    context: &Context,
    standing: Standing,
    syslog: &Arc<Syslog>,
    signals: io::Result<Caught>,
) -> Result<(), Fatal> {
    let options = options::parse(arguments).map_err(|message| Fatal(message, exit::USAGE))?;
    if options.help || options.version {
        let text = if options.help {
            USAGE
        } else {
            concat!("cyrus-notifyd ", env!("CARGO_PKG_VERSION"), "\n")
        };
        return Ok(io::stdout().write_all(text.as_bytes())?);
    }
    if options.stderr {
        syslog.set_stderr(true);
    }
    let settings = load(&options, context).map_err(|message| Fatal(message, exit::CONFIG))?;
    apply(&settings, syslog);
    let default = default_method(&options);
    let group = settings.cyrus_group.as_deref().map(text);
    user::become_user(&text(&settings.cyrus_user), group.as_deref())?;
    rustix::process::umask(Mode::from_raw_mode(settings.umask));
    let service = service::Service::start(&settings, default, standing, syslog, signals?)?;
    if let Some(service) = service {
        service.run(&mut || load(&options, context))?;
    }
    Ok(())
}

/// The default method, and loud words on what is wrong on the command line: master would disable a service that ends
/// because of it, and every sender would fail. Cyrus' notifyd says nothing, and goes on.
fn default_method(options: &Options) -> &'static Kind {
    for word in &options.extra {
        let word = printable(word.as_encoded_bytes(), 100);
        error!("command line: '{word}' means nothing and is passed over: correct cyrus.conf");
    }
    let name = options.method.as_deref().unwrap_or(route::DEFAULT_METHOD);
    route::default_method(name).unwrap_or_else(|| {
        error!(
            "command line: -m {}: there is no such method, so what names no method is lost; there are: {}: correct cyrus.conf",
            printable(name.as_bytes(), 100),
            method::names()
        );
        method::nothing()
    })
}

fn load(options: &Options, context: &Context) -> Result<Settings, String> {
    let settings = Settings::load(options.config.as_deref(), context);
    let settings = settings.map_err(|error| error.to_string())?;
    Ok(settings.with_own(context, &method::known()))
}

/// What the settings say about our own log.
fn apply(settings: &Settings, syslog: &Syslog) {
    syslog.set_identity(Identity {
        ident: text(&settings.syslog_ident()),
        facility: settings.syslog_facility.code(),
    });
    syslog.set_level(match settings.own.config.log.level {
        Level::Error => LevelFilter::Error,
        Level::Warning => LevelFilter::Warn,
        Level::Info => LevelFilter::Info,
        Level::Debug => LevelFilter::Debug,
    });
    syslog.set_debug(settings.debug || settings.own.config.log.level == Level::Debug);
    for warning in &settings.warnings {
        warn!("{warning}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
