//! How many mails a second leave: over kept SMTP connections, and by running a sendmail that ends at once, as stock does.

use crate::Options;
use crate::scene::{Delivery, Scene, setup};
use crate::senders::{Plan, Way};
use crate::sink::Sink;
use crate::stage::Setup;
use crate::table::{Figure, Goal, Who};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Mails of one sample by SMTP; a tenth of it by sendmail, which takes longer.
const MAILS: f64 = 20_000.0;
/// How long a sample may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Reads its input, adds a byte to the file `mails` beside it, and ends: the least that a sendmail can do.
const SENDMAIL: &str = r#"#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) {
    char buffer[65536];
    while (read(0, buffer, sizeof buffer) > 0) { }
    int count = open(MAILS, O_WRONLY | O_APPEND);
    return count >= 0 && write(count, "m", 1) == 1 ? 0 : 75;
}
"#;

/// All ways, and stock's beside each.
pub(crate) fn mail(options: &Options) -> Vec<Figure> {
    let mut pipelined = Figure::new(
        "mail by SMTP, PIPELINING",
        "mails/s",
        &[Goal::TimesStock(10.0)],
    )
    .note(
        "stock runs a sendmail that ends at once for each mail; the same figure in all three lines",
    );
    let mut plain = Figure::new("mail by SMTP, without PIPELINING", "mails/s", &[]);
    let mut program = Figure::new(
        "mail by sendmail, 4 permits",
        "mails/s",
        &[Goal::TimesStock(2.0)],
    );
    for _ in 0..options.rounds {
        let stock = by_sendmail(Who::Stock, options);
        for figure in [&mut pipelined, &mut plain, &mut program] {
            figure.add(Who::Stock, stock);
        }
        pipelined.add(Who::Ours, by_smtp(true, options));
        plain.add(Who::Ours, by_smtp(false, options));
        program.add(Who::Ours, by_sendmail(Who::Ours, options));
    }
    vec![pipelined, plain, program]
}

fn by_smtp(pipelining: bool, options: &Options) -> f64 {
    let sink = Sink::start(pipelining);
    let setup = setup(Who::Ours)
        .conf("smtp_backend", "host")
        .conf("smtp_host", &sink.host());
    let scene = start(setup, |_| ());
    rate(&scene, options.scaled(MAILS), || sink.mails())
}

fn by_sendmail(who: Who, options: &Options) -> f64 {
    let scene = start(setup(who), install);
    let mails = scene.daemon.path("conf/mails");
    let count = || std::fs::metadata(&mails).map_or(0, |file| file.len() as usize);
    rate(&scene, options.scaled(MAILS / 10.0), count)
}

/// A daemon whose limits are off; `prepare` gets the folder before.
fn start(setup: Setup, prepare: impl FnOnce(&Path)) -> Scene {
    let setup = setup.conf("notifyd_config", "{dir}/prog/mail.toml");
    let mut scene = Scene::set(setup, Delivery::Quick);
    std::fs::write(
        scene.daemon.path("prog/mail.toml"),
        "[mailto]\nowner_limit = 0\nrecipient_limit = 0\n",
    )
    .expect("write notifyd.toml");
    prepare(&scene.daemon.path(""));
    scene.daemon.spawn();
    scene.daemon.wait_ready();
    scene
}

/// Puts the program in the place of the script.
fn install(dir: &Path) {
    let mails = dir.join("conf/mails");
    std::fs::write(&mails, "").expect("make the count");
    let chown = Command::new("chown").arg("cyrus:mail").arg(&mails).status();
    assert!(chown.expect("chown").success());
    let source = dir.join("prog/sendmail.c");
    std::fs::write(&source, SENDMAIL).expect("write sendmail.c");
    let compiled = Command::new("cc")
        .arg("-O1")
        .arg(format!("-DMAILS=\"{}\"", mails.display()))
        .arg("-o")
        .args([&dir.join("prog/deliver"), &source])
        .status();
    assert!(compiled.expect("a C compiler").success());
}

/// Mails a second, from the first that is sent to the last that has left.
fn rate(scene: &Scene, messages: usize, count: impl Fn() -> usize) -> f64 {
    let socket = scene.daemon.path("notify");
    let plan = |messages| Plan {
        socket: &socket,
        method: "mailto",
        senders: 1,
        messages,
        way: Way::New,
        patience: None,
    };
    let warm = messages / 20;
    plan(warm).run();
    wait(warm, &count);
    let begin = Instant::now();
    let senders = crate::senders::Senders::start(&plan(messages));
    wait(warm + messages, &count);
    let seconds = begin.elapsed().as_secs_f64();
    senders.collect();
    messages as f64 / seconds
}

fn wait(wanted: usize, count: &impl Fn() -> usize) {
    let begin = Instant::now();
    while count() < wanted {
        assert!(begin.elapsed() < LIMIT, "{} of {wanted} mails", count());
        std::thread::sleep(Duration::from_millis(2));
    }
}
