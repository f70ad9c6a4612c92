//! The staged messages that are there, and of which of them it is certain whose they are.

use crate::system::folders::FolderId;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

/// Most messages that are kept open; each takes a descriptor. A server stages as many at once as it has processes that deliver.
const MOST: usize = 64;

/// What is known of the names in the watched folders.
///
/// The law: [`get`](Messages::get) gives a file only when it is the one that the name meant while the notification was sent.
/// It holds because
/// 1. the file was opened under its name before a moment at which nothing unread was queued, so the notification was sent
///    after the file had been made;
/// 2. no other file of that name was made before the notification was read, which is after it was sent. (A sender makes
///    the file first, and the kernel tells of that before the sender goes on.)
#[derive(Debug)]
pub(super) struct Messages<F> {
    known: HashMap<(FolderId, OsString), Message<F>>,
    created: u64,
    changed: bool,
}

#[derive(Debug)]
struct Message<F> {
    file: F,
    /// The later, the higher.
    number: u64,
    /// It was open when nothing unread was queued.
    settled: bool,
    /// Its name was removed: no notification can name it any more but those that are queued.
    removed: bool,
}

impl<F> Default for Messages<F> {
    fn default() -> Messages<F> {
        Messages {
            known: HashMap::new(),
            created: 0,
            changed: false,
        }
    }
}

impl<F> Messages<F> {
    /// A file was made, and is open unless that was impossible. What had its name before is known no more.
    pub(super) fn created(&mut self, folder: FolderId, name: &OsStr, file: Option<F>) {
        let key = (folder, name.to_owned());
        self.known.remove(&key);
        let Some(file) = file else { return };
        if self.known.len() >= MOST {
            let oldest = self.known.iter().min_by_key(|(_, message)| message.number);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.known.remove(&oldest);
            }
        }
        self.created += 1;
        let message = Message {
            file,
            number: self.created,
            settled: false,
            removed: false,
        };
        self.known.insert(key, message);
        self.changed = true;
    }

    /// A name was removed.
    pub(super) fn removed(&mut self, folder: FolderId, name: &OsStr) {
        if let Some(message) = self.known.get_mut(&(folder, name.to_owned())) {
            message.removed = true;
            self.changed = true;
        }
    }

    /// All changes so far were told, and after that nothing unread was queued.
    pub(super) fn queue_was_empty(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.known.retain(|_, message| !message.removed);
            self.known.values_mut().for_each(|m| m.settled = true);
        }
    }

    /// Whether it is worth the while to look whether something unread is queued.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    /// Nothing is certain any more.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// The file that a notification means, which was read before all changes so far were told.
    pub(super) fn get(&self, folder: FolderId, name: &OsStr) -> Option<&F> {
        let message = self.known.get(&(folder, name.to_owned()))?;
        message.settled.then_some(&message.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    const FOLDER: FolderId = 1;
    const NAMES: [&str; 2] = ["7-1795370292-0", "7-1795370293-0"];

    /// A staging folder, its inotify queue and the queue of the socket, as the kernel has them.
    #[derive(Default)]
    struct Kernel {
        /// For each name, the message that has it.
        files: [Option<u32>; 2],
        changes: VecDeque<(usize, bool)>,
        /// The name that a notification gives, and the message that it is about.
        datagrams: VecDeque<(usize, u32)>,
    }

    /// One thing that lmtpd does with the message it has.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Create,
        ToldOfCreation,
        Send,
        Remove,
        ToldOfRemoval,
    }

    /// What lmtpd does, step by step: some messages, each with a name and a number of notifications.
    fn lmtpd(plan: &[(usize, usize)]) -> VecDeque<(Step, usize, u32)> {
        let mut steps = VecDeque::new();
        for (message, (name, notifications)) in plan.iter().enumerate() {
            let message = u32::try_from(message).unwrap();
            let all = [Step::Create, Step::ToldOfCreation]
                .into_iter()
                .chain(std::iter::repeat_n(Step::Send, *notifications))
                .chain([Step::Remove, Step::ToldOfRemoval]);
            steps.extend(all.map(|step| (step, *name, message)));
        }
        steps
    }

    impl Kernel {
        fn does(&mut self, (step, name, message): (Step, usize, u32)) {
            match step {
                Step::Create => self.files[name] = Some(message),
                Step::ToldOfCreation => self.changes.push_back((name, true)),
                Step::Send => self.datagrams.push_back((name, message)),
                Step::Remove => self.files[name] = None,
                Step::ToldOfRemoval => self.changes.push_back((name, false)),
            }
        }
    }

    /// The reader of the socket, as `datagrams.rs` is. Between any two of its steps lmtpd may go on.
    struct Daemon<'a> {
        kernel: Kernel,
        lmtpd: VecDeque<(Step, usize, u32)>,
        /// How many steps lmtpd takes next; then it waits for ever, unless it is to finish.
        pace: std::slice::Iter<'a, u8>,
        messages: Messages<u32>,
        /// Of the notifications read, those whose message was found.
        found: usize,
        read: usize,
    }

    impl Daemon<'_> {
        fn lmtpd_goes_on(&mut self) {
            for _ in 0..self.pace.next().copied().unwrap_or(20) {
                if let Some(step) = self.lmtpd.pop_front() {
                    self.kernel.does(step);
                }
            }
        }

        fn look(&mut self) {
            loop {
                self.lmtpd_goes_on();
                let Some((name, created)) = self.kernel.changes.pop_front() else {
                    return;
                };
                self.lmtpd_goes_on();
                let text = OsStr::new(NAMES[name]);
                if created {
                    let file = self.kernel.files[name];
                    self.messages.created(FOLDER, text, file);
                } else {
                    self.messages.removed(FOLDER, text);
                }
            }
        }

        /// Reads up to `most` datagrams at once.
        fn peek(&mut self, most: usize) {
            self.look();
            self.lmtpd_goes_on();
            let count = self.kernel.datagrams.len().min(most);
            let batch: Vec<_> = self.kernel.datagrams.drain(..count).collect();
            for (name, message) in &batch {
                self.look();
                self.read += 1;
                if let Some(file) = self.messages.get(FOLDER, OsStr::new(NAMES[*name])) {
                    assert_eq!(file, message, "another user's message");
                    self.found += 1;
                }
            }
            if batch.is_empty() {
                self.messages.queue_was_empty();
            }
        }
    }

    fn play(plan: &[(usize, usize)], pace: &[u8], most: usize) -> (usize, usize) {
        let mut daemon = Daemon {
            kernel: Kernel::default(),
            lmtpd: lmtpd(plan),
            pace: pace.iter(),
            messages: Messages::default(),
            found: 0,
            read: 0,
        };
        while !(daemon.lmtpd.is_empty() && daemon.kernel.datagrams.is_empty()) {
            daemon.peek(most);
        }
        (daemon.found, daemon.read)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn nobody_gets_another_message_whatever_happens_when(
            plan in proptest::collection::vec((0..2usize, 0..3usize), 1..8),
            pace in proptest::collection::vec(prop_oneof![4 => Just(0u8), 4 => Just(1), 2 => 2..4u8, 1 => 4..12u8], 0..200),
            most in 1..4usize,
        ) {
            let (_, read) = play(&plan, &pace, most);
            prop_assert_eq!(read, plan.iter().map(|(_, notifications)| notifications).sum::<usize>());
        }
    }

    #[test]
    fn a_reader_that_is_quick_finds_each_message() {
        // lmtpd takes a step each time the reader has nothing left to do.
        let plan = [(0, 1), (0, 2), (1, 1), (0, 0), (0, 1)];
        let mut daemon = Daemon {
            kernel: Kernel::default(),
            lmtpd: lmtpd(&plan),
            pace: [0; 1000].iter(),
            messages: Messages::default(),
            found: 0,
            read: 0,
        };
        while let Some(step) = daemon.lmtpd.pop_front() {
            daemon.kernel.does(step);
            daemon.peek(16);
            while daemon.messages.changed() || !daemon.kernel.datagrams.is_empty() {
                daemon.peek(16);
            }
        }
        assert_eq!((daemon.found, daemon.read), (5, 5));
        assert!(daemon.messages.known.is_empty(), "none is kept open");
    }

    #[test]
    fn only_so_many_are_kept_open() {
        let mut messages = Messages::default();
        let name = |n: usize| OsString::from(n.to_string());
        for n in 0..=MOST {
            messages.created(FOLDER, &name(n), Some(n));
        }
        messages.queue_was_empty();
        assert_eq!(messages.known.len(), MOST);
        assert_eq!(messages.get(FOLDER, &name(0)), None);
        assert_eq!(messages.get(FOLDER, &name(1)), Some(&1));
        assert_eq!(messages.get(FOLDER + 1, &name(1)), None);
        messages.forget();
        assert_eq!(messages.get(FOLDER, &name(1)), None);
    }
}
