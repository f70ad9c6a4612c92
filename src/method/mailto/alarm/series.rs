//! One alarm for many instances of a series.
//!
//! An alarm at an absolute time (RFC 5545 section 3.8.6.3) belongs to the series once. Before 3.8, Cyrus sends it for each
//! instance that the series ever had or will have: up to hundreds of events at the same second, in the order of the
//! instances, which nothing marks as one. What is wanted is a mail about the next instance that is not over.
//!
//! Other reminders may fall together too: a week before, of the next instance, and at the start, of this one. Those are
//! mails of their own. Their time is a local one; an absolute time is in UTC. In an event that is stored in UTC both are,
//! and a few mails are sent rather than one too few.
//!
//! An instance that is over waits for one that is not, for as long as the first retry takes. Then it is sent: the
//! alarm may belong to a single event. Since 3.8 Cyrus sends such an alarm once, and tells the instance.

use super::{Clocks, instant, read, text};
use crate::event::{Event, Param};
use crate::mail::calendar::Moment;
use crate::method::Delivery;
use crate::method::Outcome;
use crate::method::mailto::notice::{digest, until};
use crate::method::mailto::office::Office;
use crate::spool;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::{Duration, SystemTime};

/// Before its keys in the ledger.
const KEY: &[u8] = b"A";
/// How long the instances of an alarm are known.
const KEEP: Duration = Duration::from_secs(86_400);
/// Mails of one user, event and time that are sent whatever they are about. More may be about earlier instances only.
const FEW: usize = 5;
/// Instances that are known of one alarm.
const KNOWN: usize = 16;

/// What becomes of an alarm because of others for the same time; none when it is sent.
pub(in super::super) fn hold_back(office: &Office, delivery: &Delivery) -> Option<Outcome> {
    let event = Event::parse(&delivery.notification.message).ok()?;
    // What names its instance, or says that there is none, comes from a Cyrus that sends no such flood.
    if event.json(Param::RecurrenceId).is_some() {
        return None;
    }
    let zone = office.time_zone(text(&event, Param::UserId).as_bytes());
    let zone = zone.unwrap_or(TimeZone::UTC);
    let this = Instance::read(&event, delivery, &zone)?;
    let key = key(&event);
    let decided = office.ledger.change(spool::now(), |entries| {
        let known = decoded(&entries.get(&key)?.unwrap_or_default());
        let (verdict, then) = decide(&known, this);
        if then != known {
            entries.put(&key, &encoded(&then), until(SystemTime::now(), KEEP))?;
        }
        Ok(verdict)
    });
    match decided {
        Ok(Verdict::Send) => None,
        Ok(Verdict::Wait) => Some(Outcome::Temporary(
            "the event is over: waits for another instance of its series".into(),
        )),
        Ok(Verdict::Skip) => Some(Outcome::Discarded(
            "the same alarm is sent for another instance of the series".into(),
        )),
        Err(error) => Some(Outcome::Temporary(format!("ledger: {error}"))),
    }
}

/// What all instances of an alarm have in common.
fn key(event: &Event<'_>) -> Vec<u8> {
    let of = [Param::UserId, Param::Uid, Param::Action, Param::AlarmTime];
    let parts = of.map(|param| text(event, param));
    [KEY, &digest(&parts.each_ref().map(|part| part.as_bytes()))].concat()
}

/// How an alarm's time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// Beside that of the event.
    Relative,
    /// For itself.
    Absolute,
    /// One of both.
    Either,
}

/// The event of an alarm, as one of several.
#[derive(Clone, Copy, Debug)]
struct Instance {
    /// In seconds since 1970.
    start: i64,
    /// Whether it ended before its alarm came.
    over: bool,
    trigger: Trigger,
    /// Whether this is not the first attempt.
    again: bool,
}

impl Instance {
    /// Days and what floats are meant in `zone`.
    fn read(event: &Event<'_>, delivery: &Delivery, zone: &TimeZone) -> Option<Instance> {
        let appointment = read(event);
        let second = |moment: &Moment| seconds(moment, zone).map(Timestamp::as_second);
        let start = second(appointment.start.as_ref()?)?;
        let end = appointment.end.as_ref().and_then(second);
        let clocks = Clocks::of(event);
        let in_utc = text(event, Param::AlarmTime).trim().ends_with('Z');
        let trigger = match (in_utc, clocks.is_utc()) {
            (false, _) => Trigger::Relative,
            (true, false) => Trigger::Absolute,
            (true, true) => Trigger::Either,
        };
        let due = clocks
            .read(event, Param::AlarmTime)
            .as_ref()
            .and_then(instant);
        let came = Timestamp::try_from(delivery.received).ok()?;
        let now = due.map_or(came, |due| due.max(came)).as_second();
        Some(Instance {
            start,
            over: end.map_or(start, |end| end.max(start)) < now,
            trigger,
            again: delivery.begun > 1,
        })
    }
}

/// When that is; in `zone`, where it does not say so itself.
fn seconds(moment: &Moment, zone: &TimeZone) -> Option<Timestamp> {
    match moment {
        Moment::Zoned(time) => Some(time.timestamp()),
        moment => Some(zone.to_zoned(moment.clock()).ok()?.timestamp()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Send,
    Wait,
    Skip,
}

/// What became of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is over, and waits.
    Waits,
    /// It was over, and is sent.
    SentOver,
    /// It is sent.
    Sent,
}

/// An instance of which the alarm came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    start: i64,
    state: State,
}

/// What becomes of `this`, and what is known then. Pure.
fn decide(known: &[Known], this: Instance) -> (Verdict, Vec<Known>) {
    let mut then = known.to_vec();
    let sent = |one: &&Known| one.state == State::Sent;
    if let Some(same) = then.iter_mut().find(|one| one.start == this.start) {
        // Another attempt, or the same once more, which is known as such later on.
        if same.state != State::Waits {
            return (Verdict::Send, then);
        }
        // The same once more needs not wait beside the first.
        if !this.again || known.iter().any(|one| sent(&one)) {
            return (Verdict::Skip, then);
        }
        same.state = State::SentOver;
        return (Verdict::Send, then);
    }
    let state = match (this.over, this.trigger) {
        (true, Trigger::Relative) => State::SentOver,
        (true, _) if known.is_empty() => State::Waits,
        (true, _) => return (Verdict::Skip, then),
        (false, _) => State::Sent,
    };
    let earlier = known.iter().filter(sent).any(|one| one.start < this.start);
    let most = match this.trigger {
        Trigger::Absolute => 1,
        _ => FEW,
    };
    if earlier && known.iter().filter(sent).count() >= most {
        return (Verdict::Skip, then);
    }
    if then.len() == KNOWN {
        // The earliest is what others are compared with.
        let latest = (0..then.len()).max_by_key(|&n| then[n].start);
        latest.map(|n| then.swap_remove(n));
    }
    then.push(Known {
        start: this.start,
        state,
    });
    match state {
        State::Waits => (Verdict::Wait, then),
        _ => (Verdict::Send, then),
    }
}

/// Nine bytes each.
fn encoded(known: &[Known]) -> Vec<u8> {
    let one = |known: &Known| {
        let state = match known.state {
            State::Waits => b'w',
            State::SentOver => b'o',
            State::Sent => b's',
        };
        let mut bytes = known.start.to_be_bytes().to_vec();
        bytes.push(state);
        bytes
    };
    known.iter().flat_map(one).collect()
}

fn decoded(bytes: &[u8]) -> Vec<Known> {
    let one = |bytes: &[u8]| {
        let (start, state) = (bytes.first_chunk::<8>()?, bytes.get(8)?);
        let state = match state {
            b'w' => State::Waits,
            b'o' => State::SentOver,
            _ => State::Sent,
        };
        let start = i64::from_be_bytes(*start);
        Some(Known { start, state })
    };
    bytes.chunks(9).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(start: i64, over: bool, trigger: Trigger) -> Instance {
        Instance {
            start,
            over,
            trigger,
            again: false,
        }
    }

    /// Hands in alarms one after the other, and those that wait once more at the end; the starts that are sent.
    fn sent(alarms: &[Instance]) -> Vec<i64> {
        let (mut known, mut sent, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for alarm in alarms {
            let (verdict, then) = decide(&known, *alarm);
            known = decoded(&encoded(&then));
            assert_eq!(known, then, "what is written is read");
            match verdict {
                Verdict::Send => sent.push(alarm.start),
                Verdict::Wait => waiting.push(*alarm),
                Verdict::Skip => {}
            }
        }
        for alarm in waiting {
            let again = Instance {
                again: true,
                ..alarm
            };
            let (verdict, then) = decide(&known, again);
            known = then;
            assert_ne!(verdict, Verdict::Wait, "nobody waits twice");
            if verdict == Verdict::Send {
                sent.push(alarm.start);
            }
        }
        sent
    }

    #[test]
    fn an_absolute_time_is_for_the_next_instance() {
        let flood = |now: i64, trigger| -> Vec<Instance> {
            let all = 0..580;
            all.map(|start| at(start, start < now, trigger)).collect()
        };
        assert_eq!(sent(&flood(100, Trigger::Absolute)), [100]);
        assert_eq!(sent(&flood(0, Trigger::Absolute)), [0]);
        assert_eq!(sent(&flood(579, Trigger::Absolute)), [579]);
        // All are over: the user wanted it all the same.
        assert_eq!(sent(&flood(1_000, Trigger::Absolute)).len(), 1);
        assert_eq!(
            sent(&flood(100, Trigger::Either)),
            [100, 101, 102, 103, 104]
        );
    }

    #[test]
    fn a_single_event_is_sent_over_or_not() {
        for trigger in [Trigger::Relative, Trigger::Absolute, Trigger::Either] {
            for over in [true, false] {
                assert_eq!(sent(&[at(1, over, trigger)]), [1]);
            }
        }
    }

    #[test]
    fn the_same_once_more_is_no_reason_to_send_what_is_over() {
        let over = at(1, true, Trigger::Absolute);
        assert_eq!(sent(&[over, over, at(8, false, Trigger::Absolute)]), [8]);
        assert_eq!(sent(&[over, over]), [1]);
    }

    #[test]
    fn reminders_of_two_instances_are_two_mails() {
        let both = [
            at(1, false, Trigger::Relative),
            at(8, false, Trigger::Relative),
        ];
        assert_eq!(sent(&both), [1, 8]);
        let [a, b] = both;
        assert_eq!(sent(&[b, a]), [8, 1]);
        // After the end of one, before another.
        assert_eq!(sent(&[at(1, true, Trigger::Relative), b]), [1, 8]);
    }

    proptest! {
        /// In whatever order they come, and come again: the next instance is sent, no instance that is over with it, and
        /// not more than the few that are expected or are each earlier than all before.
        #[test]
        fn the_next_instance_is_always_sent(
            starts in prop::collection::vec(0_i64..600, 1..80),
            now in 0_i64..700,
            absolute: bool,
        ) {
            let trigger = if absolute { Trigger::Absolute } else { Trigger::Either };
            let alarms: Vec<Instance> = starts.iter().map(|start| at(*start, *start < now, trigger)).collect();
            let mut all = sent(&alarms);
            let next = starts.iter().filter(|start| **start >= now).min();
            match next {
                Some(next) => {
                    prop_assert!(all.contains(next));
                    prop_assert!(all.iter().all(|start| *start >= now));
                }
                None => prop_assert!(!all.is_empty()),
            }
            let mut least = i64::MAX;
            let records = starts.iter().filter(|start| **start >= now).filter(|start| {
                let new = **start < least;
                least = least.min(**start);
                new
            }).count();
            all.sort_unstable();
            all.dedup();
            let few = if absolute { 1 } else { FEW };
            prop_assert!(all.len() <= records.max(1) + few, "{all:?}");
        }

        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = decoded(&bytes);
        }
    }
}
