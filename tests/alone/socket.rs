//! The socket that it binds itself.

use super::daemon::{Alone, mail};
use super::retry::retry;
use super::stage::{LIMIT, Signal};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

#[test]
fn it_binds_the_notify_socket_for_its_own_user_only() {
    let alone = Alone::start();
    let meta = fs::symlink_metadata(alone.path("run/notify")).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o7777, 0o600);
    alone.send(&mail("bob"));
    alone.wait_run(&["sendmail -i -f <> -- bob@example.org", "text"]);
}

#[test]
fn a_stale_socket_is_replaced() {
    for stream in [false, true] {
        let mut alone = Alone::new();
        let path = alone.path("run/notify");
        if stream {
            drop(UnixListener::bind(&path).unwrap());
        } else {
            drop(UnixDatagram::bind(&path).unwrap());
        }
        super::daemon::give_away(&path);
        alone.spawn_ready();
        alone.send(&mail("bob"));
        alone.wait_run(&["bob@example.org"]);
    }
}

#[test]
fn the_socket_of_a_daemon_that_was_killed_is_replaced() {
    let mut alone = Alone::start();
    alone.signal(Signal::KILL);
    alone.wait_exit();
    alone.spawn_ready();
    alone.send(&mail("bob"));
    alone.wait_run(&["bob@example.org"]);
}

/// The daemon says that it can't have the socket, and ends with EX_OSERR.
fn refused(alone: &Alone, why: &str) {
    let conf = alone.path("imapd.conf");
    let (code, _, errors) = alone.run(&["-C", conf.to_str().unwrap()]);
    assert_eq!(code, Some(71), "{errors}");
    let path = alone.path("run/notify");
    assert_eq!(
        errors,
        format!("notifyd: notifysocket {}: {why}\n", path.display())
    );
}

#[test]
fn a_live_socket_is_refused_and_left_alone() {
    let alone = Alone::new();
    let path = alone.path("run/notify");
    let theirs = UnixDatagram::bind(&path).unwrap();
    super::daemon::give_away(&path);
    refused(&alone, "another process serves it");
    alone.send(&mail("bob"));
    theirs.set_read_timeout(Some(LIMIT)).unwrap();
    let mut buffer = [0; 100];
    let length = retry(|| theirs.recv(&mut buffer)).unwrap();
    assert_eq!(buffer[..length], mail("bob").bytes());
}

#[test]
fn a_live_stream_socket_is_refused() {
    let alone = Alone::new();
    let path = alone.path("run/notify");
    let _theirs = UnixListener::bind(&path).unwrap();
    super::daemon::give_away(&path);
    refused(&alone, "another process serves it");
}

#[test]
fn a_second_daemon_for_the_same_socket_is_refused() {
    let mut alone = Alone::start();
    refused(&alone, "another process serves it");
    assert!(alone.running());
    alone.send(&mail("bob"));
    alone.wait_run(&["bob@example.org"]);
}

#[test]
fn a_file_in_the_sockets_place_is_left_alone() {
    let alone = Alone::new();
    fs::write(alone.path("run/notify"), "precious").unwrap();
    refused(&alone, "exists and is not a socket");
    assert_eq!(fs::read(alone.path("run/notify")).unwrap(), b"precious");
}

#[test]
fn a_dlist_socket_answers() {
    let mut alone = Alone::new();
    alone.configure("imapd.conf", &[("notifysocket", "dlist:{dir}/run/notify")]);
    alone.spawn_ready();
    let mode = fs::metadata(alone.path("run/notify"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o7777, 0o600);
    let mut client = UnixStream::connect(alone.path("run/notify")).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client
        .write_all(b"NOTIFY %(METHOD mailto CLASS C PRIORITY NIL USER NIL MAILBOX NIL OPTIONS (bob@example.org) MESSAGE text FILEPATH NIL)\r\n")
        .unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"OK %()\r\n");
    alone.wait_run(&["bob@example.org", "text"]);
}
