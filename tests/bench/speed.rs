//! How many datagrams a second are taken: `null`, `log`, and spooled.

use crate::Options;
use crate::scene::{Delivery, Receiver};
use crate::senders::{Plan, Way};
use crate::table::{Figure, Goal, Who};

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

fn rate(who: Who, method: &str, senders: usize, way: Way, options: &Options) -> f64 {
    let receiver = Receiver::start(who, Delivery::Hangs);
    let plan = |messages| Plan {
        socket: receiver.socket(),
        method,
        senders,
        messages,
        way,
        patience: None,
    };
    plan(1000).run(); // warm
    plan(options.scaled(MESSAGES)).run().rate()
}
