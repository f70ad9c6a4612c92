//! dlist: how long a client waits for its answer.

use crate::Options;
use crate::scene::{Delivery, Scene, setup};
use crate::senders::{Plan, Way};
use crate::table::{Figure, Goal, Who};

/// Conversations of one sample.
const CONVERSATIONS: f64 = 10_000.0;

/// From the last byte of the request to `OK`, four clients; the notification is spooled.
pub(crate) fn answer(options: &Options) -> Vec<Figure> {
    let name = |what| format!("dlist, last byte to OK, 4 clients: {what}");
    let mut middle = Figure::new(name("median"), "ms", &[Goal::AtMost(2.0)])
        .note("stock's notifyd does not speak it");
    let mut late = Figure::new(name("99.9 %"), "ms", &[]);
    let mut rate = Figure::new("dlist, 4 clients", "conversations/s", &[]);
    for _ in 0..options.rounds {
        let mut scene = Scene::set(setup(Who::Ours).stream(), Delivery::Hangs);
        scene.daemon.spawn();
        scene.daemon.wait_ready();
        let sent = Plan {
            socket: &scene.daemon.path("notify"),
            method: "external",
            senders: 4,
            messages: options.scaled(CONVERSATIONS),
            way: Way::Dlist,
            patience: None,
        }
        .run();
        middle.add(Who::Ours, sent.percentile(0.5) * 1e3);
        late.add(Who::Ours, sent.percentile(0.999) * 1e3);
        rate.add(Who::Ours, sent.rate());
    }
    vec![middle, late, rate]
}
