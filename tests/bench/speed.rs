//! How many datagrams a second are taken: `null`, `log`, and spooled.

use crate::Options;
use crate::scene::{Delivery, Receiver, full, setup, start_on_disk, syncs};
use crate::senders::{Plan, Way};
use crate::table::{Figure, Goal, Who};
use std::path::Path;
use std::time::Duration;

/// Datagrams of one sample.
const MESSAGES: f64 = 100_000.0;

/// What the column `peek` is.
const LOOKS_FIRST: &str = "peek is a receiver that looks at what is queued and takes it then, as one must who loses nothing, \
    and does nothing else (for log it hands each on to syslogd): ours cannot be faster";

/// `null` or `log`.
pub(crate) fn immediate(method: &str, options: &Options) -> Vec<Figure> {
    let mut figures = Vec::new();
    for way in [Way::Kept, Way::New] {
        for senders in [1, 4] {
            let goals = [Goal::OfDiscard(0.8), Goal::NotUnderStock];
            let mut figure = Figure::new(name(method, senders, way), "datagrams/s", &goals);
            if way == Way::Kept && senders == 1 {
                figure = figure.note(LOOKS_FIRST);
            }
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
                for who in [Who::Discard, Who::Peek, Who::Ours] {
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

/// Spooled in both ways of committing, on this disk and on a slow one; how often it synced.
pub(crate) fn disk(options: &Options) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (name, is_full, slower, part, goals) in [
        ("normal", false, 0, 1.0, &[][..]),
        ("full", true, 0, 0.2, &[]),
        (
            "normal, 5 ms a sync",
            false,
            5,
            1.0,
            &[Goal::AtLeast(20_000.0)],
        ),
        ("full, 5 ms a sync", true, 5, 0.05, &[]),
    ] {
        let title = |what| format!("spooled, {name}; 4 senders, new socket each{what}");
        let mut figure = Figure::new(title(""), "datagrams/s", goals);
        if is_full {
            figure = figure.note("each batch is synced, which the syncs must show");
        }
        let mut synced = Figure::new(title(": syncs"), "a message", &[]);
        for _ in 0..options.rounds {
            let setup = match is_full {
                true => full(setup(Who::Ours)),
                false => setup(Who::Ours),
            };
            let scene = start_on_disk(setup, Duration::from_millis(slower));
            let socket = scene.daemon.path("notify");
            let messages = options.scaled(MESSAGES * part);
            let rate = rate_of(&socket, "external", 4, Way::New, messages);
            figure.add(Who::Ours, rate);
            let sent = messages + warming(messages);
            synced.add(Who::Ours, syncs(&scene) as f64 / sent as f64);
        }
        figures.extend([figure, synced]);
    }
    figures
}

fn rate(who: Who, method: &str, senders: usize, way: Way, options: &Options) -> f64 {
    let receiver = match who {
        Who::Discard | Who::Peek => Receiver::bare(who, method == "log"),
        _ => Receiver::start(who, Delivery::Hangs),
    };
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
    plan(warming(messages)).run();
    plan(messages).run().rate()
}

/// How many messages go before those that are timed.
fn warming(messages: usize) -> usize {
    messages.min(1000)
}
