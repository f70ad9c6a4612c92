//! A client for HTTP as simple as the server, and daemons that serve metrics.

use super::daemon::{Alone, give_away};
use super::page::Page;
use super::stage::{LIMIT, wait_for};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// Where a daemon serves.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A port that nobody has.
pub(crate) fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Place {
    pub(crate) fn name(&self) -> String {
        match self {
            Place::Tcp(address) => address.to_string(),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Sends `request` and reads to the end.
    pub(crate) fn ask(&self, request: &[u8]) -> io::Result<Answer> {
        let mut text = Vec::new();
        match self {
            Place::Tcp(address) => {
                let mut stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(LIMIT))?;
                stream.write_all(request)?;
                stream.read_to_end(&mut text)?;
            }
            Place::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(LIMIT))?;
                stream.write_all(request)?;
                stream.read_to_end(&mut text)?;
            }
        }
        let text = String::from_utf8(text).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return Err(io::Error::other("no answer"));
        };
        Ok(Answer {
            code: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }

    pub(crate) fn get(&self, path: &str) -> io::Result<Answer> {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
    }

    /// The metrics, when it is served.
    pub(crate) fn page(&self) -> Option<Page> {
        let answer = self.get("/metrics").ok()?;
        assert_eq!(answer.code, 200);
        Some(Page::read(&answer.body))
    }

    /// Waits until a scrape has what `condition` wants.
    pub(crate) fn wait(&self, what: &str, condition: impl Fn(&Page) -> bool) -> Page {
        wait_for(what, LIMIT, || self.page().filter(|page| condition(page)))
    }
}

/// Writes notifyd.toml, and an imapd.conf with these changes that names it.
pub(crate) fn configure(alone: &Alone, toml: &str, changes: &[(&str, &str)]) {
    fs::write(alone.path("notifyd.toml"), toml).unwrap();
    let named = ("notifyd_config", "{dir}/notifyd.toml");
    alone.configure("imapd.conf", &[changes, &[named]].concat());
}

pub(crate) fn metrics_at(place: &Place) -> String {
    format!("[metrics]\nlisten = \"{}\"\n", place.name())
}

/// A running daemon that serves at a port, with these changes to imapd.conf.
pub(crate) fn serving(changes: &[(&str, &str)]) -> (Alone, Place) {
    let mut alone = Alone::new();
    let place = Place::Tcp(free_port());
    configure(&alone, &metrics_at(&place), changes);
    alone.spawn_ready();
    place.wait("the first scrape", |_| true);
    (alone, place)
}

/// A path for a socket, in a folder where the daemon may make one.
pub(crate) fn unix(alone: &Alone) -> Place {
    give_away(&alone.path("run"));
    Place::Unix(alone.path("run/metrics"))
}
