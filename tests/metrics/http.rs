//! The server itself: what it answers, and clients that are up to no good.

use super::client::{Place, serving};
use super::stage::{LIMIT, wait_for};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn it_answers_what_it_knows_and_refuses_the_rest() {
    let (_alone, place) = serving(&[]);
    let metrics = place.get("/metrics").unwrap();
    assert_eq!(metrics.code, 200);
    for field in [
        "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8",
        "Connection: close",
        &format!("Content-Length: {}", metrics.body.len()),
    ] {
        assert!(metrics.head.contains(field), "{field}: {}", metrics.head);
    }
    let head = place.ask(b"HEAD /metrics HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!((head.code, head.body.as_str()), (200, ""));
    for (request, code) in [
        ("GET / HTTP/1.1\r\n\r\n", 404),
        ("GET /metrics/ HTTP/1.1\r\n\r\n", 404),
        (
            "POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
            405,
        ),
        ("nonsense\r\n\r\n", 400),
        ("GET /metrics?x=y HTTP/1.0\n\n", 200),
    ] {
        assert_eq!(
            place.ask(request.as_bytes()).unwrap().code,
            code,
            "{request}"
        );
    }
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(9000));
    assert_eq!(place.ask(long.as_bytes()).unwrap().code, 431);
    let endless = vec![b'x'; 9000];
    assert_eq!(place.ask(&endless).unwrap().code, 431);
}

fn connect(place: &Place) -> TcpStream {
    let Place::Tcp(address) = place else {
        unreachable!("a port was asked for")
    };
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

#[test]
fn clients_that_say_little_or_nothing_keep_no_scrape_out() {
    let (_alone, place) = serving(&[]);
    let mut silent: Vec<TcpStream> = (0..100).map(|_| connect(&place)).collect();
    for stream in &mut silent {
        let _ = stream.write_all(b"GET /met"); // some are closed already: there were too many
    }
    assert_eq!(place.get("/healthz").unwrap().code, 200);
    for stream in &mut silent {
        let _ = stream.write_all(b"r");
        assert!(place.page().is_some());
    }
    // Those that came first had to go.
    let end = wait_for("the end of the first", LIMIT, || {
        match silent[0].read(&mut [0; 16]) {
            Ok(count) => Some(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(_) => Some(0),
        }
    });
    assert_eq!(end, 0);
}

#[test]
fn a_client_that_reads_nothing_is_left_alone() {
    let (_alone, place) = serving(&[]);
    let mut deaf: Vec<TcpStream> = (0..40).map(|_| connect(&place)).collect();
    for stream in &mut deaf {
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n");
    }
    assert!(place.page().is_some());
}

#[test]
fn a_request_in_pieces_is_one_request() {
    let (_alone, place) = serving(&[]);
    let mut stream = connect(&place);
    for byte in b"GET /healthz HTTP/1.1\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("\r\n\r\nready\n"), "{text}");
}

#[test]
fn nobody_may_take_for_ever() {
    let (_alone, place) = serving(&[]);
    let mut slow = connect(&place);
    let end = wait_for("the end of its time", 4 * LIMIT, || {
        // One byte more each time does not help.
        let _ = slow.write_all(b"x");
        slow.set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        match slow.read(&mut [0; 16]) {
            Ok(count) => Some(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(_) => Some(0),
        }
    });
    assert_eq!(end, 0);
}
