//! Started by systemd: its socket, and telling it how we are (`sd_listen_fds(3)`, `sd_notify(3)`).

use super::daemon::{Alone, external, mail};
use super::retry::retry;
use super::stage::{LIMIT, Signal};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

/// Hands standard input over as the first passed socket.
const PASS: &str = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$";

#[test]
fn it_takes_over_a_datagram_socket() {
    let mut alone = Alone::new();
    let socket = UnixDatagram::bind(alone.path("run/activated")).unwrap();
    // Queued before it runs.
    alone.send_to("activated", &mail("first"));
    let mut command = alone.by_shell(PASS);
    command.stdin(OwnedFd::from(socket.try_clone().unwrap()));
    alone.spawn_command(command);
    alone.wait_line(": started: socket from systemd");
    alone.send_to("activated", &mail("second"));
    alone.wait_run(&["first@example.org"]);
    alone.wait_run(&["second@example.org"]);
    assert!(
        !alone.path("run/notify").exists(),
        "it has bound a socket of its own as well"
    );
}

#[test]
fn it_takes_over_a_stream_socket() {
    let mut alone = Alone::new();
    let socket = UnixListener::bind(alone.path("run/activated")).unwrap();
    let mut command = alone.by_shell(PASS);
    command.stdin(OwnedFd::from(socket));
    alone.spawn_command(command);
    let mut client = UnixStream::connect(alone.path("run/activated")).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client
        .write_all(b"NOTIFY %(METHOD mailto CLASS C PRIORITY NIL USER NIL MAILBOX NIL OPTIONS (bob@example.org) MESSAGE text FILEPATH NIL)\r\n")
        .unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"OK %()\r\n");
    alone.wait_run(&["bob@example.org"]);
}

#[test]
fn what_was_meant_for_another_process_is_not_taken() {
    let mut alone = Alone::new();
    let socket = UnixDatagram::bind(alone.path("run/activated")).unwrap();
    let mut command = alone.by_shell("exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=1");
    command.stdin(OwnedFd::from(socket));
    alone.spawn_command(command);
    alone.wait_line(": started: notifysocket ");
    alone.send(&mail("bob"));
    alone.wait_run(&["bob@example.org"]);
}

#[test]
fn two_sockets_are_refused() {
    let mut alone = Alone::new();
    let socket = UnixDatagram::bind(alone.path("run/activated")).unwrap();
    let mut command =
        alone.by_shell("exec 3<&0 4<&0 </dev/null; export LISTEN_FDS=2 LISTEN_PID=$$");
    command.stdin(OwnedFd::from(socket));
    alone.spawn_command(command);
    assert_eq!(alone.wait_exit().code(), Some(71));
    alone.wait_line("LISTEN_FDS=2: the socket unit must have exactly one Listen line");
}

/// What systemd would hear next.
fn heard(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = retry(|| manager.recv(&mut buffer)).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

fn tells(alone: &mut Alone, manager: &UnixDatagram, address: &str) {
    manager.set_read_timeout(Some(LIMIT)).unwrap();
    let conf = alone.path("imapd.conf");
    let mut command = alone.command(&["-X", "-C", conf.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", address);
    alone.spawn_command(command);
    assert_eq!(heard(manager), "READY=1");
    // Ready means that what is sent now arrives.
    alone.send(&mail("bob"));
    alone.wait_run(&["bob@example.org"]);
    alone.signal(Signal::TERM);
    assert_eq!(heard(manager), "STOPPING=1");
    assert_eq!(alone.wait_exit().code(), Some(0));
}

#[test]
fn it_keeps_the_watchdog_content_and_says_when_it_reads_again() {
    let mut alone = Alone::new();
    let path = alone.path("run/manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
    manager.set_read_timeout(Some(LIMIT)).unwrap();
    // The shell's pid becomes the daemon's.
    let mut command = alone.by_shell("export WATCHDOG_PID=$$");
    command.env("NOTIFY_SOCKET", &path);
    command.env("WATCHDOG_USEC", "2500000");
    alone.spawn_command(command);
    assert_eq!(heard(&manager), "READY=1");
    for _ in 0..3 {
        assert_eq!(heard(&manager), "WATCHDOG=1");
    }
    alone.signal(Signal::HUP);
    let mut states = Vec::new();
    while states.len() < 2 {
        states.push(heard(&manager));
        states.retain(|state| state != "WATCHDOG=1");
    }
    let since = states[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    assert!(since.unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(states[1], "READY=1");
    // A bad configuration changes nothing, and systemd need not wait.
    fs::write(alone.path("imapd.conf"), "nonsense\n").unwrap();
    alone.signal(Signal::HUP);
    while !heard(&manager).starts_with("RELOADING=1") {}
    while heard(&manager) != "READY=1" {}
    alone.signal(Signal::TERM);
    while heard(&manager) != "STOPPING=1" {}
    assert_eq!(alone.wait_exit().code(), Some(0));
}

/// As when a package's script ends it and an administrator reloads it at the same moment.
#[test]
fn who_stops_is_not_ready_again() {
    let mut alone = Alone::new();
    let path = alone.path("run/manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
    manager.set_read_timeout(Some(LIMIT)).unwrap();
    let mut command = alone.by_shell("true");
    command.env("NOTIFY_SOCKET", &path);
    alone.spawn_command(command);
    assert_eq!(heard(&manager), "READY=1");
    alone.hang(true); // so that it takes its time to end
    alone.send(&external("bob"));
    alone.wait_begun(1);
    alone.signal(Signal::TERM);
    assert_eq!(heard(&manager), "STOPPING=1");
    fs::write(alone.path("imapd.conf"), "nonsense\n").unwrap();
    alone.signal(Signal::HUP);
    assert_eq!(alone.wait_exit().code(), Some(0));
    manager.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    let more = manager.recv(&mut buffer).map(|n| buffer[..n].to_vec());
    assert!(more.is_err(), "{more:?}");
}

#[test]
fn who_is_not_meant_does_not_ping() {
    let mut alone = Alone::new();
    let path = alone.path("run/manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
    manager.set_read_timeout(Some(LIMIT)).unwrap();
    let mut command = alone.by_shell("export WATCHDOG_PID=1");
    command.env("NOTIFY_SOCKET", &path);
    // So often that a ping would come before anything else.
    command.env("WATCHDOG_USEC", "2");
    alone.spawn_command(command);
    assert_eq!(heard(&manager), "READY=1");
    alone.send(&mail("bob"));
    alone.wait_run(&["bob@example.org"]);
    alone.signal(Signal::TERM);
    assert_eq!(heard(&manager), "STOPPING=1");
    assert_eq!(alone.wait_exit().code(), Some(0));
}

#[test]
fn it_says_when_it_is_ready() {
    let mut alone = Alone::new();
    let path = alone.path("run/manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
    tells(&mut alone, &manager, path.to_str().unwrap());
}

#[test]
fn it_says_so_to_an_abstract_address_as_well() {
    let mut alone = Alone::new();
    let name = format!("notifyd-alone-test-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    tells(&mut alone, &manager, &format!("@{name}"));
}
