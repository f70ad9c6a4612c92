//! The staged message that a Sieve notification names (`-f` of method `external`, style `rfc5436` of `mailto`): that very
//! message for certain, or none.
//!
//! lmtpd stages a message in the folder `stage.` of a partition, sends the notifications, and removes it (`imap/append.c`).
//! Before Cyrus 3.10 the name is `<pid>-<second>-0`, so the next message of the same LMTP session has the same name, and it is
//! somebody else's. To open the name that a datagram gives is therefore not enough: by then it may be the next message. Times
//! do not tell the two apart either: file times lag behind by a tick of the kernel, in a virtual machine by several, and clocks
//! are set. A message is certain when
//!
//! * the sender waits for our answer (dlist), because meanwhile it does nothing else;
//! * the name is used once, `<pid>-<count>` of Cyrus 3.10 and later;
//! * we have had it open before the datagram was sent. For that its folder is watched: a message is opened when it is made,
//!   which is a few milliseconds before lmtpd sends. What is then queued is about this message or a later one, and
//!   we see that there is no later one ([`messages`]).
//!
//! A sender cannot be seen blocked in `sendto(2)`: its datagram is not in the queue then. A folder is watched from the first
//! datagram on that names a message in it which is not certain, so the first message after a start is not there.

mod messages;

use crate::spool::files;
use crate::system::folders::{Change, Folders};
use crate::system::socket::{Arrival, Sender, Sent};
use messages::Messages;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

/// The name of the folder of a partition in which Cyrus stages messages (`mboxlist_findstage`, `imap/mboxlist.c`).
const FOLDER: &str = "stage.";
/// Longest count of appended messages in a name, in digits. No process appends more, and a time in seconds is longer.
const COUNT: usize = 9;

/// Why there is no message.
#[derive(Debug)]
pub(super) enum Missing {
    /// lmtpd has removed it.
    Gone,
    /// There is one of that name, but it may be another one; and what has kept us from watching its folder, if anything.
    Uncertain(Option<io::Error>),
    /// It is not in a staging folder: lmtpd does not name such a file.
    NotStaged,
    /// It cannot be opened, or must not be.
    Refused(io::Error),
}

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Missing {
        if error.kind() == io::ErrorKind::NotFound {
            Missing::Gone
        } else {
            Missing::Refused(error)
        }
    }
}

/// Finds staged messages.
#[derive(Debug, Default)]
pub(super) struct Staged {
    /// The folders that are watched; none for dlist, where nothing need be watched.
    folders: Option<Folders>,
    messages: Messages<File>,
}

impl Staged {
    /// Makes ready to watch folders.
    ///
    /// # Errors
    /// When the system allows no more.
    pub(super) fn prepare(&mut self) -> io::Result<()> {
        self.folders = Some(Folders::new()?);
        Ok(())
    }

    /// Becomes readable when something was staged.
    pub(super) fn folders(&self) -> Option<&Folders> {
        self.folders.as_ref()
    }

    /// Looks what was staged and removed. To be called before the queue of the socket is looked at.
    pub(super) fn look(&mut self) {
        let Some(folders) = &mut self.folders else {
            return;
        };
        let messages = &mut self.messages;
        let each = |change: Change<'_>| match change {
            Change::Created(id, name, path) => messages.created(id, name, files::open(path).ok()),
            Change::Removed(id, name) => messages.removed(id, name),
            Change::Lost => messages.forget(),
        };
        if folders.changes(each).is_err() {
            self.folders = None;
            self.messages.forget();
        }
    }

    /// Nothing unread was queued after the last [`look`](Staged::look).
    pub(super) fn queue_was_empty(&mut self) {
        self.messages.queue_was_empty();
    }

    /// Whether to look at the queue once more: when it is empty, the messages that are there are certain.
    pub(super) fn changed(&self) -> bool {
        self.messages.changed()
    }

    /// The queue may not have been empty when it seemed so: nothing is certain any more.
    pub(super) fn forget(&mut self) {
        self.messages.forget();
    }

    /// The message at `path`, which a notification names that has come so and has been read by now.
    pub(super) fn find(&mut self, path: &Path, arrival: Arrival) -> Result<File, Missing> {
        let (folder, name) = staging(path).ok_or(Missing::NotStaged)?;
        if !arrival.sender.is_some_and(is_cyrus) {
            return Err(Missing::Refused(io::Error::other("named by another user")));
        }
        let sent = match arrival.sent {
            Sent::Waits => return Ok(files::open(path)?),
            Sent::At(time) => Some(time),
            Sent::Unknown => None,
        };
        self.look();
        let watched = self
            .folders
            .as_ref()
            .and_then(|folders| folders.id(folder))
            .and_then(|id| self.messages.get(id, name));
        if let Some(file) = watched {
            return Ok(file.try_clone()?);
        }
        let file = files::open(path)?;
        if is_used_once(name) && !sent.is_some_and(|sent| was_born_after(&file, sent)) {
            return Ok(file);
        }
        let watch = |folders: &mut Folders| folders.watch(folder).err();
        Err(Missing::Uncertain(self.folders.as_mut().and_then(watch)))
    }
}

/// Whether the sender may know the messages of all users: lmtpd's user is ours.
fn is_cyrus(sender: Sender) -> bool {
    sender.uid == 0 || sender.uid == rustix::process::geteuid().as_raw()
}

/// The folder and the name of a staged message; `None` when the path is none of one.
fn staging(path: &Path) -> Option<(&Path, &OsStr)> {
    let (folder, name) = (path.parent()?, path.file_name()?);
    (path.is_absolute() && folder.file_name()? == FOLDER).then_some((folder, name))
}

/// Whether Cyrus gives this name once: `<pid>-<count>`, and not `<pid>-<second>-<number>`.
fn is_used_once(name: &OsStr) -> bool {
    let number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    match name.as_bytes().split(|b| *b == b'-').collect::<Vec<_>>()[..] {
        [pid, count] => number(pid) && number(count) && count.len() <= COUNT,
        _ => false,
    }
}

/// Whether the file was made later: a process with the number of an earlier one counts from 0 again.
fn was_born_after(file: &File, sent: SystemTime) -> bool {
    let born = file.metadata().and_then(|metadata| metadata.created());
    born.is_ok_and(|born| born > sent)
}

#[cfg(test)]
mod tests;
