//! How the commit tells the dispatcher that something is due, at no cost while the dispatcher could begin nothing.
//!
//! Each lane has a flag: it is up while the lane has a free permit and has found nothing due. The dispatcher raises
//! it *before* it looks into the spool; who commits takes it down *after* the commit. So
//! either the dispatcher sees the row, or it is woken.

use super::dispatch::Event;
use crate::method::METHODS;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

/// Which lanes want to hear of new deliveries, in the order of [`METHODS`].
#[derive(Clone)]
pub(super) struct Wants(Arc<[AtomicBool]>);

impl Wants {
    /// No lane wants to, until it has looked.
    pub(super) fn none() -> Wants {
        Wants(METHODS.iter().map(|_| AtomicBool::new(false)).collect())
    }

    /// The lane is about to look into the spool.
    pub(super) fn raise(&self, lane: usize) {
        // Sequentially consistent, as the look into the spool must not come before it.
        self.0[lane].store(true, Ordering::SeqCst);
    }

    /// Whether the lane still waits to be told.
    pub(super) fn is_up(&self, lane: usize) -> bool {
        self.0[lane].load(Ordering::SeqCst)
    }

    /// Takes the flag down; whether it was up.
    fn take(&self, lane: usize) -> bool {
        self.is_up(lane) && self.0[lane].swap(false, Ordering::SeqCst)
    }
}

/// The way to wake a dispatcher.
#[derive(Clone)]
pub struct Waker {
    events: Sender<Event>,
    wants: Wants,
}

impl Waker {
    /// Wakes the dispatcher that reads `events`.
    pub(super) fn new(events: Sender<Event>, wants: Wants) -> Waker {
        Waker { events, wants }
    }

    /// One that wakes nobody.
    #[cfg(test)]
    pub(super) fn for_tests() -> Waker {
        Waker::new(std::sync::mpsc::channel().0, Wants::none())
    }

    /// Tells it that deliveries of `method` are in the spool.
    pub fn wake(&self, method: &str) {
        let lane = METHODS.iter().position(|kind| kind.name == method);
        if lane.is_some_and(|lane| self.wants.take(lane)) {
            self.send(Event::Wake);
        }
    }

    /// Tells it that there may be deliveries of any method.
    pub fn wake_all(&self) {
        for lane in 0..METHODS.len() {
            self.wants.take(lane);
        }
        self.send(Event::Wake);
    }

    /// Tells it something else.
    pub(super) fn send(&self, event: Event) {
        let _ = self.events.send(event); // one that has ended needs no telling
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_lane_is_woken_once_and_only_when_it_wants_to() {
        let (events, queue) = channel();
        let wants = Wants::none();
        let waker = Waker::new(events, wants.clone());
        let lane = METHODS.iter().position(|k| k.name == "mailto").unwrap();
        waker.wake("mailto");
        assert!(queue.try_recv().is_err(), "all permits are in use");
        wants.raise(lane);
        waker.wake("external");
        waker.wake("a method that is no more");
        assert!(queue.try_recv().is_err(), "not its business");
        waker.wake("mailto");
        waker.wake("mailto");
        assert!(matches!(queue.try_recv(), Ok(Event::Wake)));
        assert!(queue.try_recv().is_err(), "told already");
        wants.raise(lane);
        waker.wake_all();
        assert!(matches!(queue.try_recv(), Ok(Event::Wake)));
        assert!(!wants.is_up(lane));
    }
}
