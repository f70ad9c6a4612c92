//! With real files. The order of things is tested in [`super::messages`].

use super::*;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::time::Duration;

const OLD: &str = "4711-1795370292-0";
const NEW: &str = "4711-12";

fn from(uid: Option<u32>, sent: Sent) -> Arrival {
    let sender = uid.map(|uid| Sender { uid, pid: 1 });
    Arrival { sender, sent }
}

struct Stage {
    _dir: tempfile::TempDir,
    folder: PathBuf,
    staged: Staged,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        std::fs::create_dir(&folder).unwrap();
        let mut staged = Staged::default();
        staged.prepare().unwrap();
        Stage {
            _dir: dir,
            folder,
            staged,
        }
    }

    fn stage(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        let _ = std::fs::remove_file(&path);
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.join(name)).unwrap();
    }

    /// The reader finds nothing in the socket's queue.
    fn idle(&mut self) {
        self.staged.look();
        self.staged.queue_was_empty();
    }

    /// The text of the message that a notification names which was sent just now.
    fn find(&mut self, name: &str) -> Result<String, Missing> {
        self.find_sent(name, Sent::At(SystemTime::now()))
    }

    fn find_sent(&mut self, name: &str, sent: Sent) -> Result<String, Missing> {
        let mut file = self
            .staged
            .find(&self.folder.join(name), from(Some(0), sent))?;
        file.rewind().unwrap(); // the offset is that of all who have it
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        Ok(text)
    }
}

#[test]
fn a_name_that_is_used_again_is_certain_once_its_folder_is_watched() {
    let mut stage = Stage::new();
    stage.stage(OLD, "first");
    assert!(matches!(stage.find(OLD), Err(Missing::Uncertain(None))));
    stage.idle();
    assert!(
        matches!(stage.find(OLD), Err(Missing::Uncertain(None))),
        "its making was not seen"
    );
    for text in ["second", "third"] {
        stage.stage(OLD, text);
        stage.idle();
        assert_eq!(stage.find(OLD).unwrap(), text);
        stage.remove(OLD);
        assert_eq!(stage.find(OLD).unwrap(), text, "it was open already");
    }
    stage.idle();
    assert!(matches!(stage.find(OLD), Err(Missing::Gone)));
}

#[test]
fn a_message_that_may_have_come_later_is_left() {
    let mut stage = Stage::new();
    stage.stage(OLD, "first");
    stage.find(OLD).unwrap_err();
    // Sent while the second one was there, read when the third one is.
    stage.stage(OLD, "second");
    stage.idle();
    stage.stage(OLD, "third");
    assert!(matches!(stage.find(OLD), Err(Missing::Uncertain(None))));
    // Made and sent before anybody has looked.
    stage.stage(OLD, "fourth");
    assert!(matches!(stage.find(OLD), Err(Missing::Uncertain(None))));
}

#[test]
fn what_may_be_read_again_makes_all_uncertain() {
    let mut stage = Stage::new();
    stage.stage(OLD, "first");
    stage.find(OLD).unwrap_err();
    stage.stage(OLD, "second");
    stage.idle();
    stage.staged.forget();
    assert!(matches!(stage.find(OLD), Err(Missing::Uncertain(None))));
}

#[test]
fn a_name_that_is_used_once_is_certain() {
    let mut stage = Stage::new();
    stage.stage(NEW, "text");
    assert_eq!(stage.find(NEW).unwrap(), "text");
    assert_eq!(stage.find_sent(NEW, Sent::Unknown).unwrap(), "text");
    let before = SystemTime::now() - Duration::from_secs(10);
    let found = stage.find_sent(NEW, Sent::At(before));
    assert!(
        matches!(found, Err(Missing::Uncertain(None))),
        "made by a later process"
    );
}

#[test]
fn a_sender_that_waits_means_what_is_there() {
    let mut stage = Stage::new();
    stage.stage(OLD, "text");
    assert_eq!(stage.find_sent(OLD, Sent::Waits).unwrap(), "text");
    stage.remove(OLD);
    let found = stage.find_sent(OLD, Sent::Waits);
    assert!(matches!(found, Err(Missing::Gone)));
}

#[test]
fn only_files_in_a_staging_folder_are_opened() {
    let mut stage = Stage::new();
    let outside = stage.folder.parent().unwrap().join(NEW);
    std::fs::write(&outside, "text").unwrap();
    for path in [
        outside.as_path(),
        Path::new("/proc/self/environ"),
        Path::new("stage./4711-12"),
        Path::new("/stage."),
        Path::new("/"),
        Path::new(""),
    ] {
        for sent in [Sent::Waits, Sent::Unknown] {
            let found = stage.staged.find(path, from(Some(0), sent));
            assert!(matches!(found, Err(Missing::NotStaged)), "{path:?}");
        }
    }
}

#[test]
fn names_of_both_forms_are_known() {
    for (name, once) in [
        ("4711-0", true),
        ("4711-999999999", true),
        ("4711-1795370292", false), // a time
        ("4711-1795370292-0", false),
        ("4711-", false),
        ("-1", false),
        ("4711", false),
        ("4711-x", false),
        ("", false),
    ] {
        assert_eq!(is_used_once(OsStr::new(name)), once, "{name}");
    }
}

#[test]
fn only_cyrus_and_root_name_messages() {
    let mut stage = Stage::new();
    stage.stage(NEW, "text");
    let path = stage.folder.join(NEW);
    for sent in [Sent::Waits, Sent::Unknown] {
        let own = rustix::process::geteuid().as_raw();
        for uid in [0, own] {
            stage.staged.find(&path, from(Some(uid), sent)).unwrap();
        }
        for uid in [Some(own + 1), None] {
            let found = stage.staged.find(&path, from(uid, sent));
            assert!(matches!(found, Err(Missing::Refused(_))), "{uid:?}");
        }
    }
}
