//! The thread that reads the notify socket, whichever form it has.

use super::commit::Committer;
use super::intake::Intake;
use super::listening::Listening;
use super::{datagrams, streams};
use crate::system::cancel::Cancel;
use crate::system::master::State;
use crate::system::peek::Peeker;
use crate::system::{socket, thread};
use log::{debug, info};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Reads the socket until told to leave.
type Reader = Box<dyn FnOnce(&mut Intake) -> io::Result<()> + Send>;

/// Reads until the first of `leave` is raised; the second says whether a successor reads what is queued then. `ended` is
/// called at the end, however it comes.
pub(super) fn start(
    mut intake: Intake,
    committer: Committer,
    listening: Listening,
    (leave, hands_over): (Arc<Cancel>, Arc<AtomicBool>),
    ended: impl FnOnce(io::Result<()>) + Send + 'static,
) -> io::Result<()> {
    let Listening { socket, master, .. } = listening;
    let tell = move |state| {
        if let Some(master) = &master
            && let Err(error) = master.tell(state)
        {
            debug!("cannot tell master: {error}");
        }
    };
    let body: Reader = if socket::is_datagram(&socket)? {
        let peeker = Peeker::new(socket)?;
        tell(State::Unavailable);
        tell(State::Connection);
        Box::new(move |intake| datagrams::read(peeker, intake, &committer, &leave, &hands_over))
    } else {
        Box::new(move |intake| {
            streams::serve(&socket, intake, &committer, &leave, || {
                tell(State::ConnectionMulti)
            })
        })
    };
    thread("intake", move || {
        // Somebody waits for the end, however it comes.
        let result = catch_unwind(AssertUnwindSafe(|| body(&mut intake)))
            .unwrap_or_else(|_| Err(io::Error::other("internal error: the intake has panicked")));
        info!("ended: {}", intake.counts());
        ended(result);
    })?;
    Ok(())
}
