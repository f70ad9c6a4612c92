//! How it goes, in one word and with reasons. Pure: [`Facts`] in, [`Health`] out.
//!
//! *ready*: all is as it should be. *degraded*: nothing is lost, but somebody should look. *failing*: notifications
//! are being lost, or senders wait for us.

use serde_json::json;
use std::fmt;
use std::time::Duration;

/// Part of the spool, in percent, from which on it is nearly full.
const NEARLY_FULL: u64 = 80;
/// How long a commit may take before it counts as a stall.
const STALL: Duration = Duration::from_secs(10);

/// What the health depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The disk refuses, and new deliveries are kept in memory.
    pub in_memory: bool,
    /// Bytes of the spool in use and allowed.
    pub bytes: (u64, u64),
    /// Deliveries in the spool and allowed; 0 for no limit.
    pub rows: (u64, u64),
    /// Deliveries were dropped within the last minute.
    pub dropping: bool,
    /// How long the commit under way has been.
    pub committing: Duration,
    /// How many attempts of which methods go on long past their time limit.
    pub stuck: Vec<(&'static str, u64)>,
    /// How many programs run on that could not be killed.
    pub strays: usize,
    /// What is wrong with the configuration.
    pub configuration: Option<String>,
}

/// A reason not to be ready: its name (as in the metric `notifyd_degraded`) and what to tell the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// One of [`REASONS`].
    pub name: &'static str,
    /// One line.
    pub why: String,
}

/// All names of reasons.
pub const REASONS: [&str; 6] = [
    "configuration",
    "memory",
    "nearly_full",
    "stuck",
    "dropping",
    "stalled",
];

/// How it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Empty when all is well.
    pub reasons: Vec<Reason>,
}

impl Health {
    /// How it goes, given these facts.
    pub fn judge(facts: &Facts) -> Health {
        let mut reasons = Vec::new();
        let mut because = |name, why: String| reasons.push(Reason { name, why });
        if let Some(why) = &facts.configuration {
            because("configuration", why.clone());
        }
        if facts.in_memory {
            let why = "the disk refuses; new deliveries are kept in memory";
            because("memory", why.into());
        }
        let full = |(used, most): (u64, u64)| match most {
            0 => 0,
            most => used.saturating_mul(100) / most,
        };
        let percent = full(facts.bytes).max(full(facts.rows));
        if percent >= NEARLY_FULL {
            because("nearly_full", format!("the spool is {percent} % full"));
        }
        if let Some(why) = stuck(facts) {
            because("stuck", why);
        }
        if facts.dropping {
            let why = "deliveries were dropped in the last minute: there was no room";
            because("dropping", why.into());
        }
        if facts.committing >= STALL {
            let why = format!(
                "a commit has been under way for {} s; senders wait",
                facts.committing.as_secs()
            );
            because("stalled", why);
        }
        Health { reasons }
    }

    /// Notifications are being lost, or senders wait.
    pub fn is_failing(&self) -> bool {
        self.reasons
            .iter()
            .any(|reason| ["dropping", "stalled"].contains(&reason.name))
    }

    /// `ready`, `degraded` or `failing`.
    pub fn word(&self) -> &'static str {
        match self.reasons.as_slice() {
            [] => "ready",
            _ if self.is_failing() => "failing",
            _ => "degraded",
        }
    }

    /// As one JSON object.
    pub fn json(&self) -> String {
        let reasons: Vec<_> = self
            .reasons
            .iter()
            .map(|reason| json!({ "reason": reason.name, "why": reason.why }))
            .collect();
        format!("{}\n", json!({ "state": self.word(), "reasons": reasons }))
    }
}

/// What goes on that should have ended, and what to do.
fn stuck(facts: &Facts) -> Option<String> {
    let attempts = facts.stuck.iter().map(|(method, count)| {
        format!("{count} of method {method} (notifyd ends them when it is restarted)")
    });
    let strays = (facts.strays > 0).then(|| {
        format!(
            "{} of programs that cannot be killed (the log has their process ids)",
            facts.strays
        )
    });
    let all: Vec<String> = attempts.chain(strays).collect();
    (!all.is_empty()).then(|| {
        format!(
            "attempts go on long past their time limit: {}",
            all.join(", ")
        )
    })
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.word())?;
        self.reasons
            .iter()
            .try_for_each(|reason| writeln!(f, "{}: {}", reason.name, reason.why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_facts() {
        let well = Facts {
            bytes: (79, 100),
            committing: Duration::from_secs(9),
            ..Facts::default()
        };
        assert_eq!(Health::judge(&well).to_string(), "ready\n");
        let mut bad = well.clone();
        bad.configuration = Some("no such key".into());
        bad.in_memory = true;
        bad.rows = (80, 100);
        let health = Health::judge(&bad);
        assert_eq!((health.word(), health.reasons.len()), ("degraded", 3));
        bad.stuck = vec![("mailto", 2)];
        bad.strays = 1;
        let health = Health::judge(&bad);
        assert_eq!((health.word(), health.reasons.len()), ("degraded", 4));
        assert!(health.to_string().ends_with(
            "stuck: attempts go on long past their time limit: 2 of method mailto (notifyd ends them when it is \
             restarted), 1 of programs that cannot be killed (the log has their process ids)\n"
        ));
        bad.dropping = true;
        bad.committing = Duration::from_secs(12);
        let health = Health::judge(&bad);
        let names: Vec<_> = health.reasons.iter().map(|reason| reason.name).collect();
        assert_eq!((health.word(), names), ("failing", REASONS.to_vec()));
        assert!(
            health
                .to_string()
                .starts_with("failing\nconfiguration: no such key\n")
        );
        let value: serde_json::Value = serde_json::from_str(&health.json()).unwrap();
        assert_eq!(value["reasons"][5]["reason"], "stalled");
    }

    #[test]
    fn no_limit_is_no_trouble() {
        let facts = Facts {
            rows: (5, 0),
            bytes: (u64::MAX, u64::MAX),
            ..Facts::default()
        };
        assert_eq!(Health::judge(&facts).word(), "ready");
    }
}
