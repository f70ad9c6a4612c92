//! What notifyd.toml says about deliveries, put together for the dispatcher. Pure.
//!
//! What `[method.NAME]` does not say, `[retry]` says, and what the file does not say at all, the method itself.

use super::retry::Policy;
use crate::config::toml::Config;
use crate::method::{Kind, METHODS};
use std::time::Duration;

/// The rules for all methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// For each of [`METHODS`], in their order.
    pub lanes: Vec<LaneRules>,
    /// How long failed deliveries are kept for the operator.
    pub keep_failed: Duration,
    /// How long deliveries stay on hold.
    pub keep_held: Duration,
    /// Whether a delivery that went well has a line in the log.
    pub say_delivered: bool,
}

/// The rules for one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRules {
    /// How many attempts may be under way at once.
    pub permits: usize,
    /// Time limit of one attempt.
    pub timeout: Duration,
    /// How long to go on trying.
    pub policy: Policy,
}

impl Rules {
    /// What `config` says.
    #[must_use]
    pub fn new(config: &Config) -> Rules {
        Rules {
            lanes: METHODS.iter().map(|kind| lane(config, kind)).collect(),
            keep_failed: config.retry.keep_failed.0,
            keep_held: config.retry.keep_held.0,
            say_delivered: config.log.delivered.0,
        }
    }
}

fn lane(config: &Config, kind: &Kind) -> LaneRules {
    let (method, retry) = (config.method(kind.name), &config.retry);
    let first = method.first.unwrap_or(retry.first).0;
    let permits = method
        .permits
        .and_then(|permits| usize::try_from(permits.0).ok());
    LaneRules {
        permits: permits.unwrap_or(kind.permits),
        timeout: method.timeout.map_or(kind.timeout, |timeout| timeout.0),
        policy: Policy {
            first,
            // Each is right by itself, and the one that makes more patient counts.
            maximum: method.maximum.unwrap_or(retry.maximum).0.max(first),
            lifetime: method.lifetime.unwrap_or(retry.lifetime).0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method;

    fn rules(text: &str) -> Rules {
        let (config, problems) = Config::read(text, &method::known());
        assert_eq!(problems, []);
        Rules::new(&config)
    }

    fn of<'a>(rules: &'a Rules, name: &str) -> &'a LaneRules {
        let place = METHODS.iter().position(|kind| kind.name == name).unwrap();
        &rules.lanes[place]
    }

    #[test]
    fn without_a_file_the_methods_speak_for_themselves() {
        let rules = rules("");
        for kind in METHODS {
            let lane = of(&rules, kind.name);
            assert_eq!((lane.permits, lane.timeout), (kind.permits, kind.timeout));
            assert_eq!(lane.policy, Policy::default());
        }
        assert_eq!(rules.keep_failed, Duration::from_secs(7 * 86_400));
        assert!(rules.say_delivered);
    }

    #[test]
    fn a_methods_own_word_beats_the_common_one() {
        let rules = rules(
            "[retry]\nfirst = '2s'\nmaximum = '3s'\nlifetime = '4s'\n\
             [method.mailto]\npermits = 9\ntimeout = '1s'\nlifetime = '5s'\nfirst = '10s'\n",
        );
        let seconds = Duration::from_secs;
        let common = Policy {
            first: seconds(2),
            maximum: seconds(3),
            lifetime: seconds(4),
        };
        assert_eq!(of(&rules, "external").policy, common);
        let mailto = of(&rules, "mailto");
        assert_eq!((mailto.permits, mailto.timeout), (9, seconds(1)));
        let own = Policy {
            first: seconds(10),
            maximum: seconds(10),
            lifetime: seconds(5),
        };
        assert_eq!(mailto.policy, own, "never a maximum below the first");
    }
}
