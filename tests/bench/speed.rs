//! How many datagrams a second are taken: `null`, `log`, and spooled.

use crate::Options;
use crate::scene::{Delivery, Receiver, Scene, full, setup, slow_disk};
use crate::senders::{Plan, Way};
use crate::stage::Setup;
use crate::table::{Figure, Goal, Who};
use std::path::Path;

/// Datagrams of one sample.
const MESSAGES: f64 = 100_000.0;

/// `null` or `log`.
pub(crate) fn immediate(method: &str, options: &Options) -> Vec<Figure> {
    let mut figures = Vec::new();
    for way in [Way::Kept, Way::New] {
        for senders in [1, 4] {
            let goals = [Goal::OfDiscard(0.8), Goal::NotUnderStock];
            let mut figure = Figure::new(name(method, senders, way), "datagrams/s", &goals);
            for _ in 0..options.rounds {
                for who in Who::ALL {
                    figure.add(who, rate(who, method, senders, way, options));
                }
            }
            figures.push(figure);
        }
    }
    figures
}

/// Spooled, with a dispatcher that is held by its first delivery. Stock has no spool.
pub(crate) fn spooled(options: &Options) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (way, goals) in [
        (
            Way::New,
            &[Goal::OfDiscard(0.5), Goal::AtLeast(20_000.0)][..],
        ),
        (Way::Kept, &[Goal::AtLeast(20_000.0)][..]),
    ] {
        for senders in [1, 4] {
            let mut figure = Figure::new(name("spooled", senders, way), "datagrams/s", goals);
            for _ in 0..options.rounds {
                for who in [Who::Discard, Who::Ours] {
                    figure.add(who, rate(who, "external", senders, way, options));
                }
            }
            figures.push(figure);
        }
    }
    figures
}

fn name(method: &str, senders: usize, way: Way) -> String {
    let socket = match way {
        Way::Kept => "kept socket",
        _ => "new socket each",
    };
    let s = if senders == 1 { "" } else { "s" };
    format!("{method}, {senders} sender{s}, {socket}")
}

/// Spooled in both ways of committing, on this disk and on a slow one.
pub(crate) fn disk(options: &Options) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (name, messages, goals, change) in [
        ("normal", MESSAGES, &[][..], [None, None]),
        ("full", MESSAGES / 5.0, &[], [Some(full as Change), None]),
        (
            "normal, 5 ms a sync",
            MESSAGES,
            &[Goal::AtLeast(20_000.0)],
            [None, Some(slow_disk as Change)],
        ),
        (
            "full, 5 ms a sync",
            MESSAGES / 20.0,
            &[],
            [Some(full), Some(slow_disk)],
        ),
    ] {
        let title = format!("spooled, {name}; 4 senders, new socket each");
        let mut figure = Figure::new(title, "datagrams/s", goals);
        for _ in 0..options.rounds {
            let place = change.into_iter().flatten();
            let place = place.fold(setup(Who::Ours), |setup, change| change(setup));
            let scene = Scene::start_as(place, Delivery::Hangs);
            let socket = scene.daemon.path("notify");
            figure.add(
                Who::Ours,
                rate_of(&socket, "external", 4, Way::New, options.scaled(messages)),
            );
        }
        figures.push(figure);
    }
    figures
}

/// Something about the daemon's place.
type Change = fn(Setup) -> Setup;

fn rate(who: Who, method: &str, senders: usize, way: Way, options: &Options) -> f64 {
    let receiver = Receiver::start(who, Delivery::Hangs);
    let socket = receiver.socket();
    rate_of(socket, method, senders, way, options.scaled(MESSAGES))
}

fn rate_of(socket: &Path, method: &str, senders: usize, way: Way, messages: usize) -> f64 {
    let plan = |messages| Plan {
        socket,
        method,
        senders,
        messages,
        way,
        patience: None,
    };
    plan(messages.min(1000)).run(); // warm
    plan(messages).run().rate()
}
