//! What a scrape adds to the counts: what is owed now, and how it goes. Written in the OpenMetrics text format
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use super::health::{Health, REASONS};
use super::{Labels, Metrics};
use crate::method::METHODS;
use crate::spool::depth::Depths;
use crate::spool::queue::STATES;
use crate::spool::{self, Micros};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Seconds = Gauge<f64, AtomicU64>;

/// What is counted elsewhere, or changes by itself.
#[derive(Clone, Debug, Default)]
pub(in crate::daemon) struct Now {
    /// `None` when the spool cannot be read.
    pub(in crate::daemon) depths: Option<Depths>,
    pub(in crate::daemon) used_bytes: u64,
    pub(in crate::daemon) max_bytes: u64,
    pub(in crate::daemon) dropped: u64,
    pub(in crate::daemon) syslog_dropped: u64,
    pub(in crate::daemon) unread: Duration,
    pub(in crate::daemon) uncommitted: Duration,
    pub(in crate::daemon) health: Health,
}

/// All metrics, ready to be written.
pub(in crate::daemon) struct Scrape {
    registry: Registry,
    queue: Family<Labels, Gauge>,
    oldest: Family<Labels, Seconds>,
    used: Gauge,
    limit: Gauge,
    dropped: Counter,
    syslog_dropped: Counter,
    unread: Seconds,
    uncommitted: Seconds,
    degraded: Family<Labels, Gauge>,
}

impl Scrape {
    /// With the counts at 0.
    pub(in crate::daemon) fn new(started: Micros) -> (Scrape, Metrics) {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("notifyd_build", "Which notifyd this is", build);
        let since = Seconds::default();
        since.set(started as f64 / 1e6);
        let mut all = Scrape {
            registry,
            queue: Family::default(),
            oldest: Family::default(),
            used: Gauge::default(),
            limit: Gauge::default(),
            dropped: Counter::default(),
            syslog_dropped: Counter::default(),
            unread: Seconds::default(),
            uncommitted: Seconds::default(),
            degraded: Family::default(),
        };
        all.register(since);
        (all, metrics)
    }

    fn register(&mut self, since: Seconds) {
        let r = &mut self.registry;
        r.register(
            "notifyd_start_time_seconds",
            "When it started, in seconds since 1970",
            since,
        );
        r.register(
            "notifyd_queue",
            "Deliveries that are owed, by method and state",
            self.queue.clone(),
        );
        r.register(
            "notifyd_oldest_due_seconds",
            "For how long the delivery that has been due longest has been due",
            self.oldest.clone(),
        );
        r.register(
            "notifyd_spool_used_bytes",
            "Bytes of the spool in use",
            self.used.clone(),
        );
        r.register(
            "notifyd_spool_limit_bytes",
            "Bytes that the spool may use",
            self.limit.clone(),
        );
        r.register(
            "notifyd_dropped",
            "Deliveries dropped because there was no room",
            self.dropped.clone(),
        );
        r.register(
            "notifyd_syslog_dropped_lines",
            "Log lines that syslogd did not take",
            self.syslog_dropped.clone(),
        );
        r.register(
            "notifyd_unread_seconds",
            "Longest time, in the last minutes, that a datagram waited until it was looked at",
            self.unread.clone(),
        );
        r.register(
            "notifyd_uncommitted_seconds",
            "Longest time, in the last minutes, from then until it was safe",
            self.uncommitted.clone(),
        );
        r.register(
            "notifyd_degraded",
            "1 for each reason not to be ready, else 0",
            self.degraded.clone(),
        );
    }

    /// All metrics as they are now.
    pub(in crate::daemon) fn write(&self, now: &Now) -> String {
        self.queue.clear();
        self.oldest.clear();
        if let Some(depths) = &now.depths {
            self.set_depths(depths);
        }
        self.used.set(signed(now.used_bytes));
        self.limit.set(signed(now.max_bytes));
        self.dropped.inner().store(now.dropped, Ordering::Relaxed);
        self.syslog_dropped
            .inner()
            .store(now.syslog_dropped, Ordering::Relaxed);
        self.unread.set(now.unread.as_secs_f64());
        self.uncommitted.set(now.uncommitted.as_secs_f64());
        for name in REASONS {
            let holds = now.health.reasons.iter().any(|reason| reason.name == name);
            self.degraded
                .get_or_create(&vec![("reason", name.to_owned())])
                .set(holds.into());
        }
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry); // a String takes everything
        text
    }

    fn set_depths(&self, depths: &Depths) {
        let now = spool::now();
        // Those that owe nothing are 0: else a graph has holes.
        let known = METHODS.iter().map(|kind| kind.name);
        let others = depths.keys().map(String::as_str);
        for method in known.chain(others) {
            let depth = depths.get(method);
            for state in STATES {
                let rows = depth.and_then(|depth| depth.states.get(state)).copied();
                let labels = vec![("method", method.to_owned()), ("state", state.to_owned())];
                self.queue
                    .get_or_create(&labels)
                    .set(signed(rows.unwrap_or(0)));
            }
            let late = depth
                .and_then(|depth| depth.due)
                .map_or(0, |due| (now - due).max(0));
            self.oldest
                .get_or_create(&vec![("method", method.to_owned())])
                .set(late as f64 / 1e6);
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::depth::Depth;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_owed_shows_and_goes() {
        let (scrape, metrics) = Scrape::new(1_000_000);
        metrics.received.inc();
        let depth = Depth {
            states: BTreeMap::from([("hold".to_owned(), 3)]),
            due: Some(spool::now() - 5_000_000),
        };
        let mut now = Now {
            depths: Some(Depths::from([("mailto".to_owned(), depth)])),
            dropped: 7,
            ..Now::default()
        };
        let text = scrape.write(&now);
        for line in [
            "notifyd_received_total 1",
            "notifyd_dropped_total 7",
            "notifyd_start_time_seconds 1.0",
            "notifyd_degraded{reason=\"memory\"} 0",
            "notifyd_queue{method=\"external\",state=\"hold\"} 0",
            "notifyd_queue{method=\"mailto\",state=\"hold\"} 3",
            "# EOF",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
        assert!(
            text.contains("notifyd_oldest_due_seconds{method=\"mailto\"} 5."),
            "{text}"
        );
        now.depths = None;
        let text = scrape.write(&now);
        assert!(!text.contains("notifyd_queue{"), "{text}");
    }
}
