//! One running service: its parts, and how they are started, changed and ended.

use super::commit::{Committer, Wired, Wiring};
use super::dispatch::Dispatcher;
use super::instances::Instances;
use super::intake::Intake;
use super::listening::{Listening, listen};
use super::metrics::http::Server;
use super::monitor::Monitor;
use super::own::{self, Nag, USUAL_SPOOL};
use super::rules::Rules;
use super::watchdog::Watchdog;
use super::{Fatal, Standing, apply, reading, starts, stats};
use crate::config::Settings;
use crate::method::{self, Kind};
use crate::spool::{Settlement, Spool, files, readers, sync};
use crate::system::cancel::Cancel;
use crate::system::lock::{self, Lock};
use crate::system::master::{Master, State};
use crate::system::signal::{Caught, Request};
use crate::system::syslog::Syslog;
use crate::system::{systemd, thread};
use log::{debug, error, info, warn};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long attempts under way may take when a successor waits.
const HAND_OVER_GRACE: Duration = Duration::from_secs(20);
/// How long they may take when we are told to end.
const TERMINATE_GRACE: Duration = Duration::from_secs(5);
/// How long another process may have the lock before that is said, and how often it is said again.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_REMINDER: Duration = Duration::from_secs(60);
/// How often a client waited in the socket when a spare process looked, one time after the other, before it says that the
/// reader may hang.
const UNSERVED: u32 = 3;
/// How often we look whether the lock is still ours alone.
const LOOK: Duration = Duration::from_secs(1);

/// What the main thread is told.
enum Control {
    Signal(Request),
    /// Nobody else reads any more.
    Locked(io::Result<Lock>),
    /// The dispatcher has stopped, as it was told, and leaves this undone.
    Delivered(Vec<Settlement>),
    /// The intake has ended.
    Read(io::Result<()>),
}

/// What we are about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// New settings wait for the dispatcher to stop.
    Reloading,
    /// The dispatcher stops, then the intake, then we.
    Leaving,
}

/// Whether it is our turn to read.
enum Turn {
    /// With the lock, unless it could not be had for want of a disk.
    Ours(Option<Lock>),
    /// We were told to end while another process was reading.
    ToldToEnd,
}

/// The parts of the service.
pub(super) struct Service {
    control: Receiver<Control>,
    sender: Sender<Control>,
    standing: Standing,
    master: Option<Arc<Master>>,
    syslog: Arc<Syslog>,
    spool: Arc<Spool>,
    monitor: Arc<Monitor>,
    metrics: Option<Server>,
    default: &'static Kind,
    dispatcher: Dispatcher,
    wired: Wired,
    leave: Arc<Cancel>,
    /// Whether a successor reads what is queued when we leave.
    hands_over: Arc<AtomicBool>,
    phase: Phase,
    next: Option<Settings>,
    watchdog: Option<Watchdog>,
    nag: Nag,
    /// Where nobody else may read; the files that were removed since we took them, too: somebody may wait for one.
    locks: Vec<Lock>,
}

impl Service {
    /// Takes over or binds the socket, waits until nobody else reads, opens the spool, and starts all threads.
    /// `None` when we were told to end before it was our turn.
    pub(super) fn start(
        settings: &Settings,
        default: &'static Kind,
        standing: Standing,
        syslog: &Arc<Syslog>,
        signals: Caught,
    ) -> Result<Option<Service>, Fatal> {
        let (sender, control) = channel();
        let to_us = sender.clone();
        // The channel lives as long as the process.
        signals.watch(move |request| drop(to_us.send(Control::Signal(request))))?;
        let listening = listen(settings, standing)?;
        let folder = settings.spool();
        let Turn::Ours(lock) = take_lock(&folder, &listening, &sender, &control)? else {
            return Ok(None);
        };
        let spool = Arc::new(Spool::open_with(&folder, own::limits(settings))?);
        keep_the_socket_open(&listening, &folder);
        let house = Arc::downgrade(&spool);
        thread("spool", move || sync::keep_house(&house))?;
        let monitor = Monitor::start(&spool, syslog)?;

        let instances = Arc::new(Instances::build(&method::Context {
            settings,
            syslog,
            ledger: spool.ledger(),
            late: &monitor.late(),
        }));
        let dispatcher =
            start_dispatcher(&spool, &instances, settings, &monitor, Vec::new(), &sender)?;
        let wired = Wired::new(Wiring {
            instances,
            config: settings.own.config.clone(),
            default,
            waker: dispatcher.waker(),
            allowed: own::allowed(settings),
        });
        let leave = Arc::new(Cancel::new()?);
        let intake = Intake::new(spool.clone(), wired.clone(), monitor.clone())?;
        info!(
            "started: {}, spool {}, default method {}",
            listening.what,
            folder.display(),
            default.name
        );
        let nag = Nag::new(settings, Instant::now());
        let usual = settings.configdirectory.join(USUAL_SPOOL);
        let (ours, wired_too) = (spool.clone(), wired.clone());
        thread("take-over", move || {
            own::take_over(&usual, &ours, &wired_too)
        })?;
        let master = listening.master.clone();
        let committer = Committer::new(spool.clone(), wired.clone(), monitor.clone());
        let hands_over = Arc::<AtomicBool>::default();
        let leaving = (leave.clone(), hands_over.clone());
        let to_us = sender.clone();
        let ended = move |result| drop(to_us.send(Control::Read(result)));
        reading::start(intake, committer, listening, leaving, ended)?;
        say_ready();
        let mut service = Service {
            control,
            sender,
            standing,
            master,
            syslog: syslog.clone(),
            spool,
            monitor,
            metrics: None,
            default,
            dispatcher,
            wired,
            leave,
            hands_over,
            phase: Phase::Running,
            next: None,
            nag,
            watchdog: Watchdog::new(),
            locks: lock.into_iter().collect(),
        };
        service.show(settings);
        Ok(Some(service))
    }

    /// Runs until told to end. `load` reads the configuration again.
    pub(super) fn run(
        mut self,
        load: &mut dyn FnMut() -> Result<Settings, String>,
    ) -> Result<(), Fatal> {
        loop {
            let mut wait = self.nag.wait(Instant::now()).min(LOOK);
            if let Some(watchdog) = &mut self.watchdog {
                wait = wait.min(watchdog.tick(&self.dispatcher.beat));
            }
            let control = match self.control.recv_timeout(wait) {
                Ok(control) => control,
                Err(RecvTimeoutError::Timeout) => {
                    self.nag.remind(Instant::now());
                    self.keep_lock();
                    continue;
                }
                // We hold a sender ourselves, so there is always somebody to wait for.
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            match control {
                Control::Signal(Request::ToggleDebug) => {
                    self.syslog.set_debug(!self.syslog.debug())
                }
                Control::Signal(Request::Terminate) => {
                    self.hands_over.store(false, Ordering::Relaxed);
                    self.leave(TERMINATE_GRACE);
                }
                // systemd was told that we stop: what follows, READY=1 above all, would contradict it.
                Control::Signal(Request::Reload) if self.phase == Phase::Leaving => {}
                Control::Signal(Request::Reload) => {
                    let _ = systemd::notify_reloading(); // what ends it is said in any case
                    match load().and_then(flawless) {
                        Err(message) => {
                            self.monitor.configuration(Some(message.clone()));
                            error!("SIGHUP: {message}; going on with the configuration as it was");
                            say_ready();
                        }
                        Ok(settings) => self.reload(settings),
                    }
                }
                Control::Delivered(_) if self.phase == Phase::Leaving => {
                    self.spool.leave();
                    self.leave.raise();
                }
                Control::Delivered(left) => self.deliver_again(left)?,
                Control::Read(Ok(())) if self.phase == Phase::Leaving => {
                    self.spool.mend_at_last();
                    stats::finish(&self.monitor);
                    return Ok(());
                }
                Control::Read(Ok(())) => {
                    return Err(Fatal(
                        "internal error: the intake has ended".into(),
                        super::exit::OSERR,
                    ));
                }
                Control::Read(Err(error)) => {
                    self.spool.mend_at_last();
                    return Err(Fatal(format!("intake: {error}"), super::exit::OSERR));
                }
                Control::Locked(_) => {}
            }
        }
    }

    /// When the lock's file was removed another process could read too: takes the lock again, or leaves to the other.
    fn keep_lock(&mut self) {
        let path = self.spool.folder().join("lock");
        if self.phase == Phase::Leaving || self.locks.last().is_none_or(|lock| lock.is_at(&path)) {
            return;
        }
        match lock::try_take(&path) {
            Ok(Some(lock)) => {
                warn!("{}: was removed; locked anew", path.display());
                self.locks.push(lock);
            }
            Ok(None) => {
                error!(
                    "{}: was removed, and another notifyd has it now; leaving",
                    path.display()
                );
                self.leave(TERMINATE_GRACE);
            }
            Err(error) => debug!("{}: {error}", path.display()), // with its folder, which the spool makes again
        }
    }

    fn reload(&mut self, settings: Settings) {
        match self.standing {
            Standing::UnderMaster if self.spool.is_degraded() => error!(
                "SIGHUP: the disk refuses, and what is owed in memory would be lost; going on with the configuration as it was"
            ),
            Standing::UnderMaster => {
                self.hands_over.store(true, Ordering::Relaxed);
                self.leave(HAND_OVER_GRACE);
            }
            Standing::Alone => {
                self.phase = Phase::Reloading;
                self.next = Some(settings);
                self.dispatcher.stop(HAND_OVER_GRACE);
            }
        }
    }

    fn leave(&mut self, grace: Duration) {
        if let Some(master) = &self.master
            && self.phase != Phase::Leaving
        {
            // A stream service counts as ready until it says otherwise: let master start the next one now.
            // A datagram service has said so at its start.
            let _ = master.tell(State::Unavailable); // if not, master finds out when we end
        }
        if self.phase != Phase::Leaving {
            starts::forget(self.spool.folder());
            let _ = systemd::notify("STOPPING=1"); // it sees us end anyway
        }
        self.phase = Phase::Leaving;
        self.dispatcher.stop(grace);
    }

    /// What the settings change for those who look at us.
    fn show(&mut self, settings: &Settings) {
        let own = &settings.own;
        Server::serve_at(&mut self.metrics, &own.config.metrics.listen, &self.monitor);
        let wrong = own.problems.first().map(ToString::to_string);
        self.monitor.configuration(wrong);
    }

    /// The dispatcher has stopped: to be replaced by one with the new settings.
    fn deliver_again(&mut self, left: Vec<Settlement>) -> Result<(), Fatal> {
        let Some(settings) = self.next.take() else {
            return Err(Fatal(
                "internal error: the dispatcher has ended".into(),
                super::exit::OSERR,
            ));
        };
        apply(&settings, &self.syslog);
        if settings.spool() != self.spool.folder() {
            warn!("SIGHUP: another path of the spool counts from the next start on");
        }
        self.spool.set_limits(own::limits(&settings));
        self.nag = Nag::new(&settings, Instant::now());
        let context = method::Context {
            settings: &settings,
            syslog: &self.syslog,
            ledger: self.spool.ledger(),
            late: &self.monitor.late(),
        };
        let instances = Arc::new(Instances::build(&context));
        self.dispatcher = start_dispatcher(
            &self.spool,
            &instances,
            &settings,
            &self.monitor,
            left,
            &self.sender,
        )?;
        let wiring = Wiring {
            instances,
            config: settings.own.config.clone(),
            default: self.default,
            waker: self.dispatcher.waker(),
            allowed: own::allowed(&settings),
        };
        self.wired.set(wiring);
        self.dispatcher.waker().wake_all();
        self.phase = Phase::Running;
        self.show(&settings);
        info!("SIGHUP: the configuration was read again");
        say_ready();
        Ok(())
    }
}

fn say_ready() {
    if let Err(error) = systemd::notify("READY=1") {
        warn!("cannot tell systemd that we are ready: {error}");
    }
}

/// The settings, unless notifyd.toml has mistakes: those in force are better.
fn flawless(settings: Settings) -> Result<Settings, String> {
    match own::complain(&settings) {
        None => Ok(settings),
        Some(what) => Err(what),
    }
}

fn start_dispatcher(
    spool: &Arc<Spool>,
    instances: &Instances,
    settings: &Settings,
    monitor: &Arc<Monitor>,
    left: Vec<Settlement>,
    sender: &Sender<Control>,
) -> io::Result<Dispatcher> {
    let sender = sender.clone();
    // When nobody listens any more, the process is about to end.
    let rules = Rules::new(&settings.own.config);
    Dispatcher::start(
        spool.clone(),
        instances,
        &rules,
        monitor.clone(),
        left,
        move |left| drop(sender.send(Control::Delivered(left))),
    )
}

/// Under master, for a stream socket: when the processes before this one have died young, master must not count one
/// death more.
fn keep_the_socket_open(listening: &Listening, folder: &Path) {
    let Some(master) = &listening.master else {
        return;
    };
    if listening.is_stream() && starts::note(folder) {
        warn!(
            "the processes before this one were killed or have crashed; master is told that this one is busy, so that it does not disable the service"
        );
        let _ = master.tell(State::Unavailable); // if not, it counts one death more
    }
}

/// Waits until no other process reads; signals are heard meanwhile.
fn take_lock(
    folder: &Path,
    listening: &Listening,
    sender: &Sender<Control>,
    control: &Receiver<Control>,
) -> Result<Turn, Fatal> {
    let path = folder.join("lock");
    let _ = files::make_folders(folder); // what is wrong with it shows in the next line
    match lock::try_take(&path) {
        Ok(Some(lock)) => return Ok(Turn::Ours(Some(lock))),
        Ok(None) => debug!("another notifyd reads; waiting for it to end"),
        Err(error) => {
            // Better two readers than none: then every sender would wait.
            error!("{}: {error}; going on without the lock", path.display());
            return Ok(Turn::Ours(None));
        }
    }
    let sender = sender.clone();
    thread("lock", move || {
        sender.send(Control::Locked(lock::wait(&path)))
    })?;
    let began = Instant::now();
    let mut said: Option<Instant> = None;
    let mut unserved = 0;
    loop {
        match control.recv_timeout(LOCK_PATIENCE) {
            Ok(Control::Locked(lock)) => {
                if said.is_some() {
                    let _ = systemd::notify("STATUS="); // it need not know
                }
                return Ok(Turn::Ours(Some(lock?)));
            }
            Err(RecvTimeoutError::Timeout) => {
                unserved = if listening.has_waiting_client() {
                    unserved + 1
                } else {
                    0
                };
                if unserved < UNSERVED && listening.is_stream() && is_spare(folder) {
                    continue;
                }
                if said.is_none_or(|then| then.elapsed() >= LOCK_REMINDER) {
                    say_who_reads(folder, began.elapsed());
                    said = Some(Instant::now());
                }
            }
            Ok(Control::Signal(Request::Terminate | Request::Reload))
            | Err(RecvTimeoutError::Disconnected) => return Ok(Turn::ToldToEnd),
            Ok(_) => {}
        }
    }
}

/// Whether the reader is another process of the same master. Master keeps as many processes of a stream service as `prefork`
/// says; one of them reads, and the others only wait.
fn is_spare(folder: &Path) -> bool {
    let ours = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    let holders = readers::holders(&folder.join("lock"));
    ours.is_some_and(|ours| ours > 1)
        && !holders.is_empty()
        && holders.iter().all(|holder| holder.parent() == ours)
}

/// Says who has the lock for which we wait, to the log and to systemd.
fn say_who_reads(folder: &Path, waited: Duration) {
    let path = folder.join("lock");
    let holders = readers::holders(&path);
    let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
    let who = if names.is_empty() {
        "another process".to_owned()
    } else {
        names.join(", ")
    };
    let what = format!(
        "{} is held by {who}, for {} s now",
        path.display(),
        waited.as_secs()
    );
    error!("{what}: nothing is read here until it ends; if it hangs, end it with kill -9");
    let _ = systemd::notify(&format!("STATUS={what}")); // it need not know
}
