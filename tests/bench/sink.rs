//! A mail server that takes everything and keeps nothing, as fast as can be.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// The server. Its connections end when the daemon goes.
pub(crate) struct Sink {
    address: SocketAddr,
    mails: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Starts one, with PIPELINING or without.
    pub(crate) fn start(pipelining: bool) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("an address");
        let (mails, over): (Arc<AtomicUsize>, Arc<AtomicBool>) = Default::default();
        let (counter, ended) = (mails.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (stream, counter) = (stream.expect("accept"), counter.clone());
                // The daemon may die in the middle of it.
                std::thread::spawn(move || drop(serve(stream, pipelining, &counter)));
            }
        });
        Sink {
            address,
            mails,
            over,
            thread: Some(thread),
        }
    }

    /// As `smtp_host` names it.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Mails so far.
    pub(crate) fn mails(&self) -> usize {
        self.mails.load(Ordering::Relaxed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// One connection. Whatever has come is answered in one write.
fn serve(mut stream: TcpStream, pipelining: bool, mails: &AtomicUsize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 sink\r\n")?;
    let mut got = Vec::new();
    let mut chunk = vec![0; 65_536];
    let mut in_data = false;
    loop {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        got.extend_from_slice(&chunk[..count]);
        let mut replies = Vec::new();
        let mut taken = 0;
        while let Some(end) = got[taken..].iter().position(|b| *b == b'\n') {
            let line = &got[taken..taken + end + 1];
            taken += line.len();
            let reply: &[u8] = match (in_data, line.get(..4)) {
                (true, _) if line != b".\r\n" => continue,
                (true, _) => {
                    in_data = false;
                    mails.fetch_add(1, Ordering::Relaxed);
                    b"250 2.0.0 Ok: queued as 4711\r\n"
                }
                (false, Some(b"EHLO")) if pipelining => {
                    b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
                }
                (false, Some(b"EHLO")) => b"250-sink\r\n250 8BITMIME\r\n",
                (false, Some(b"DATA")) => {
                    in_data = true;
                    b"354 go on\r\n"
                }
                _ => b"250 2.1.0 Ok\r\n",
            };
            replies.extend_from_slice(reply);
        }
        got.drain(..taken);
        if !replies.is_empty() {
            stream.write_all(&replies)?;
        }
    }
}
