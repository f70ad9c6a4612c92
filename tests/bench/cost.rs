//! Processor time of the daemon for a message.

use crate::Options;
use crate::process::{childrens_time, processor_time};
use crate::scene::{Delivery, Scene};
use crate::senders::{Plan, Way};
use crate::stage::{LIMIT, wait_for};
use crate::table::{Figure, Who};

/// Messages that are spooled, or done at once.
const MANY: f64 = 100_000.0;
/// Messages for which a program is run.
const FEW: f64 = 1000.0;

/// What a message costs: discarded, logged, spooled, spooled and delivered by a program.
pub(crate) fn cost(options: &Options) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (name, method) in [("null", "null"), ("log", "log"), ("to spool", "external")] {
        let mut figure = Figure::new(format!("processor time, {name}"), "µs/message", &[]);
        for _ in 0..options.rounds {
            for who in [Who::Stock, Who::Ours] {
                if who == Who::Ours || method != "external" {
                    figure.add(who, at_intake(who, method, options));
                }
            }
        }
        figures.push(figure);
    }
    let mut daemon = Figure::new(
        "processor time, spooled and delivered by external",
        "µs/message",
        &[],
    );
    let mut program = Figure::new("the same, of the program itself (sh)", "µs/message", &[]);
    for _ in 0..options.rounds {
        for who in [Who::Stock, Who::Ours] {
            let (own, childrens) = delivered(who, options);
            daemon.add(who, own);
            program.add(who, childrens);
        }
    }
    figures.extend([daemon, program]);
    figures
}

fn send(scene: &Scene, method: &str, messages: usize) {
    Plan {
        socket: &scene.daemon.path("notify"),
        method,
        senders: 1,
        messages,
        way: Way::New,
        patience: None,
    }
    .run();
}

/// Microseconds a message.
fn at_intake(who: Who, method: &str, options: &Options) -> f64 {
    let mut scene = Scene::start(who, Delivery::Hangs);
    let messages = options.scaled(MANY);
    send(&scene, method, 100); // warm
    scene.daemon.wait_asleep();
    let before = processor_time(scene.daemon.pid());
    send(&scene, method, messages);
    let after = processor_time(scene.daemon.pid());
    assert!(scene.daemon.running());
    (after - before) / messages as f64 * 1e6
}

/// Microseconds a message: the daemon's own, and those of the program.
fn delivered(who: Who, options: &Options) -> (f64, f64) {
    let scene = Scene::start(who, Delivery::Quick);
    let (pid, messages) = (scene.daemon.pid(), options.scaled(FEW));
    let before = processor_time(pid);
    send(&scene, "external", messages);
    let mut last = (childrens_time(pid), 0);
    wait_for("the last delivery", LIMIT * 10, || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = childrens_time(pid);
        last = if now == last.0 {
            (now, last.1 + 1)
        } else {
            (now, 0)
        };
        (last.1 == 5).then_some(()) // nothing has ended for a while
    });
    let per_message = 1e6 / messages as f64;
    (
        (processor_time(pid) - before) * per_message,
        childrens_time(pid) * per_message,
    )
}
