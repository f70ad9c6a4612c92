//! What the daemon counts, and how Prometheus gets it.
//!
//! [`Metrics`] holds plain handles: to count something costs one addition, without a look-up of labels. [`scrape`]
//! adds what is only known when somebody asks (how much is owed, how old it is) and writes it all in the
//! OpenMetrics text format; [`health`] says the same in one word; [`http`] serves both.
//!
//! The counts are the only ones there are: the last line of the log and `notifyctl stats` read them here. Their names
//! stand in notifyd(8), METRICS; a test compares. A name is part of the interface: dashboards and alerts break when it changes.

pub mod health;
pub mod http;
mod listen;
pub mod peak;
mod request;
pub mod scrape;

use crate::method::METHODS;
use peak::Peak;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper ends of the buckets for the time an attempt takes, in seconds.
const ATTEMPT: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];
/// The same for the time from arrival to the end.
const DELAY: [f64; 12] = [
    0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21_600.0, 86_400.0,
];

/// The same for how late the mail for a calendar alarm is.
const LATENESS: [f64; 8] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 7200.0];

/// How late mails for calendar alarms are, in seconds.
#[derive(Clone, Debug)]
pub struct Lateness(Histogram);

impl Default for Lateness {
    fn default() -> Lateness {
        Lateness(Histogram::new(LATENESS))
    }
}

impl Lateness {
    /// Another one.
    pub fn observe(&self, seconds: f64) {
        self.0.observe(seconds);
    }
}

/// Names and values of a metric's labels.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The counts since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Notifications that came, good and bad.
    pub received: Counter,
    /// Those that could not be decoded.
    pub malformed: Counter,
    /// Those that were longer than we read.
    pub truncated: Counter,
    /// Those from a user who may not send.
    pub refused: Counter,
    /// Those that named a method that does not exist.
    pub unknown_method: Counter,
    /// Deliveries dropped because their user has had a share of the spool.
    pub over_share: Counter,
    /// Deliveries committed to the spool file.
    pub to_disk: Counter,
    /// Deliveries kept in memory, because the disk refuses.
    pub to_memory: Counter,
    /// Staged messages that notifications named.
    pub staged: StagedMessages,
    /// Longest time from the arrival of a datagram until it was looked at.
    pub unread: Peak,
    /// Longest time from then until it was safe.
    pub uncommitted: Peak,
    /// Time from a calendar alarm to its mail.
    pub alarm_lateness: Lateness,
    /// For each method, in the order of [`METHODS`].
    methods: Vec<OfMethod>,
}

/// What became of the staged messages that notifications named.
#[derive(Debug, Default)]
pub struct StagedMessages {
    /// Linked into the spool, or copied.
    pub kept: Counter,
    /// Removed by lmtpd before.
    pub gone: Counter,
    /// Left out: the name may have been another message's by then.
    pub uncertain: Counter,
    /// Not opened: no staged message, or it could not be kept.
    pub refused: Counter,
}

impl StagedMessages {
    fn new(registry: &mut Registry) -> StagedMessages {
        let family = Family::<Labels, Counter>::default();
        registry.register(
            "notifyd_staged_messages",
            "Staged messages that notifications named: kept, gone, uncertain (left out), refused",
            family.clone(),
        );
        let of = |result: &str| family.get_or_create_owned(&vec![("result", result.to_owned())]);
        StagedMessages {
            kept: of("kept"),
            gone: of("gone"),
            uncertain: of("uncertain"),
            refused: of("refused"),
        }
    }
}

/// The counts of one method.
#[derive(Debug)]
pub struct OfMethod {
    /// Notifications routed to it.
    pub routed: Counter,
    /// Attempts that have ended.
    pub attempts: Counter,
    /// Attempts that delivered.
    pub delivered: Counter,
    /// Attempts that found that nobody gets anything.
    pub discarded: Counter,
    /// Attempts that will be followed by another one.
    pub deferred: Counter,
    /// Deliveries given up at once.
    pub failed: Counter,
    /// Deliveries given up after a long time.
    pub expired: Counter,
    /// Deliveries that the method has put on hold.
    pub held: Counter,
    /// Attempts that go on long past their time limit.
    pub stuck: Gauge,
    /// How long an attempt takes, in seconds.
    pub attempt: Histogram,
    /// How old a delivery is when it is delivered, in seconds.
    pub delay: Histogram,
}

impl Metrics {
    /// All at 0, entered in `registry`.
    pub fn new(registry: &mut Registry) -> Metrics {
        let mut metrics = Metrics::default();
        let mut enter = |name: &str, help: &str, counter: &Counter| {
            registry.register(format!("notifyd_{name}"), help, counter.clone());
        };
        enter(
            "received",
            "Notifications that came, good and bad",
            &metrics.received,
        );
        enter(
            "malformed",
            "Notifications that could not be decoded",
            &metrics.malformed,
        );
        enter(
            "truncated",
            "Datagrams that were longer than 65536 bytes",
            &metrics.truncated,
        );
        enter(
            "refused_senders",
            "Notifications from users who may not send",
            &metrics.refused,
        );
        enter(
            "unknown_method",
            "Notifications for a method that does not exist",
            &metrics.unknown_method,
        );
        enter(
            "over_share",
            "Deliveries dropped because their user has as much of the spool as one may have",
            &metrics.over_share,
        );
        registry.register(
            "notifyd_alarm_lateness_seconds",
            "Time from a calendar alarm to the end of the submission of its mail",
            metrics.alarm_lateness.0.clone(),
        );
        let spooled = Family::<Labels, Counter>::default();
        registry.register(
            "notifyd_spooled",
            "Deliveries that were kept, by where",
            spooled.clone(),
        );
        metrics.to_disk = spooled.get_or_create_owned(&vec![("to", "disk".into())]);
        metrics.to_memory = spooled.get_or_create_owned(&vec![("to", "memory".into())]);
        metrics.staged = StagedMessages::new(registry);
        metrics.methods = OfMethod::all(registry);
        metrics
    }

    /// The counts of the method at this place in [`METHODS`].
    pub fn of(&self, place: usize) -> &OfMethod {
        &self.methods[place]
    }
}

impl OfMethod {
    fn all(registry: &mut Registry) -> Vec<OfMethod> {
        let routed = Family::<Labels, Counter>::default();
        let attempts = Family::<Labels, Counter>::default();
        let outcomes = Family::<Labels, Counter>::default();
        let attempt = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(ATTEMPT));
        let delay = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(DELAY));
        registry.register(
            "notifyd_routed",
            "Notifications routed to a method",
            routed.clone(),
        );
        registry.register(
            "notifyd_attempts",
            "Attempts to deliver that have ended",
            attempts.clone(),
        );
        registry.register(
            "notifyd_outcomes",
            "How attempts ended: delivered, discarded (nobody gets anything), deferred, failed (for good), expired, held",
            outcomes.clone(),
        );
        let stuck = Family::<Labels, Gauge>::default();
        registry.register(
            "notifyd_stuck_attempts",
            "Attempts that go on long past their time limit",
            stuck.clone(),
        );
        registry.register(
            "notifyd_attempt_seconds",
            "How long attempts take; without methods that are done at once",
            attempt.clone(),
        );
        registry.register(
            "notifyd_delay_seconds",
            "Time from arrival to delivery; without methods that are done at once",
            delay.clone(),
        );
        let of = |name: &str| {
            let labels = vec![("method", name.to_owned())];
            let outcome = |result: &str| {
                outcomes.get_or_create_owned(&vec![
                    ("method", name.to_owned()),
                    ("result", result.to_owned()),
                ])
            };
            OfMethod {
                routed: routed.get_or_create_owned(&labels),
                attempts: attempts.get_or_create_owned(&labels),
                delivered: outcome("delivered"),
                discarded: outcome("discarded"),
                deferred: outcome("deferred"),
                failed: outcome("failed"),
                expired: outcome("expired"),
                held: outcome("held"),
                stuck: stuck.get_or_create_owned(&labels),
                attempt: attempt.get_or_create_owned(&labels),
                delay: delay.get_or_create_owned(&labels),
            }
        };
        METHODS.iter().map(|kind| of(kind.name)).collect()
    }
}
