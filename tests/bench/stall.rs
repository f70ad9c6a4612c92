//! How long Cyrus waits: the longest single send, and all sends of one session together.

use crate::Options;
use crate::scene::{Delivery, Receiver, Scene};
use crate::senders::{Plan, Senders, Sent, Way};
use crate::stage::Signal;
use crate::table::{Figure, Goal, Who};
use std::time::{Duration, Instant};

/// Messages of the blast.
const BLAST: f64 = 100_000.0;
/// Messages of the session.
const SESSION: usize = 200;
/// Stock would take 20 s, 200 s, and for ever for them: its sender gives up after this.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest send while four senders blast, a socket each as Cyrus does. Stock has no spool: its figure is `null`'s.
pub(crate) fn longest(options: &Options) -> Vec<Figure> {
    let name = |what| format!("one send, 4 senders, spooled: {what}");
    let mut middle = Figure::new(name("median"), "ms", &[]);
    let mut late = Figure::new(name("99.9 %"), "ms", &[Goal::AtMost(50.0)])
        .note("stock has no spool: it discards (null)");
    let mut longest = Figure::new(name("longest"), "ms", &[]);
    for _ in 0..options.rounds {
        for who in Who::ALL {
            let receiver = Receiver::start(who, Delivery::Hangs);
            let method = if who == Who::Ours { "external" } else { "null" };
            let sent = plan(&receiver, method, 4, options.scaled(BLAST)).run();
            middle.add(who, sent.percentile(0.5) * 1e3);
            late.add(who, sent.percentile(0.999) * 1e3);
            longest.add(who, sent.longest() * 1e3);
        }
    }
    vec![middle, late, longest]
}

/// The whole stall of one sender of 200 messages while sendmail takes its time.
pub(crate) fn session(options: &Options) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (name, delivery) in [
        ("0.1 s", Delivery::Takes(0.1)),
        ("1 s", Delivery::Takes(1.0)),
        ("for ever", Delivery::Hangs),
    ] {
        let name = format!("200 mails, sendmail takes {name}: stall");
        let mut figure = Figure::new(name, "ms", &[Goal::AtMost(50.0)]);
        let mut stock_sent = Vec::new();
        for _ in 0..options.rounds {
            for who in Who::ALL {
                let sent = session_of(who, delivery, options);
                figure.add(who, sent.longest_stall * 1e3);
                if who == Who::Stock {
                    stock_sent.push(sent.each.len().to_string());
                }
            }
        }
        let (patience, sent) = (patience(options).as_secs_f64(), stock_sent.join(", "));
        figures.push(figure.note(format!(
            "stock's sender gives up after {patience} s; it had come to message {sent} of {SESSION}"
        )));
    }
    figures
}

fn patience(options: &Options) -> Duration {
    PATIENCE.mul_f64(options.scale.clamp(0.2, 1.0))
}

fn session_of(who: Who, delivery: Delivery, options: &Options) -> Sent {
    let receiver = Receiver::start(who, delivery);
    let patience = (who == Who::Stock).then(|| patience(options));
    Plan {
        patience,
        ..plan(&receiver, "mailto", 1, SESSION)
    }
    .run()
}

/// The longest send across a hand-over: SIGHUP, and the next process when the first has gone, as master does it.
pub(crate) fn hand_over(options: &Options) -> Vec<Figure> {
    let mut figure = Figure::new("longest send across a SIGHUP", "ms", &[]).note(
        "less what the stage needs to start a program, which master does not; stock discards (null)",
    );
    let mut whole = Figure::new("the same, with what the stage needs", "ms", &[]);
    for _ in 0..options.rounds {
        for who in [Who::Stock, Who::Ours] {
            let (longest, placing) = hand_over_of(who, options);
            figure.add(who, (longest - placing).max(0.0) * 1e3);
            whole.add(who, longest * 1e3);
        }
    }
    vec![figure, whole]
}

/// The longest send, and how long the stage took to place the successor, in seconds.
fn hand_over_of(who: Who, options: &Options) -> (f64, f64) {
    let mut scene = Scene::start(who, Delivery::Quick);
    let socket = scene.daemon.path("notify");
    let method = if who == Who::Ours { "mailto" } else { "null" };
    let plan = Plan {
        socket: &socket,
        method,
        senders: 4,
        messages: options.scaled(BLAST).max(20_000),
        way: Way::New,
        patience: None,
    };
    let senders = Senders::start(&plan);
    std::thread::sleep(Duration::from_millis(50)); // they are under way
    scene.daemon.signal(Signal::HUP);
    scene.daemon.wait_exit();
    let begin = Instant::now();
    scene.daemon.spawn();
    scene.daemon.wait_exec();
    let placing = begin.elapsed().as_secs_f64();
    (senders.collect().longest(), placing)
}

fn plan<'a>(receiver: &'a Receiver, method: &'a str, senders: usize, messages: usize) -> Plan<'a> {
    Plan {
        socket: receiver.socket(),
        method,
        senders,
        messages,
        way: Way::New,
        patience: None,
    }
}
