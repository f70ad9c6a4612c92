//! Method `external`: how the program is run.

use super::stage::{Note, Notifyd, note, ours};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

fn alice() -> Note {
    note("external")
        .class("SIEVE")
        .priority("high")
        .user("alice")
        .mailbox("INBOX")
        .message("hello")
}

/// Arguments for [`alice`] up to and with `-f`.
const FOR_ALICE: [&str; 9] = [
    "-c", "SIEVE", "-p", "high", "-u", "alice", "-m", "INBOX", "-f",
];

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn with_fname() {
    let n = Notifyd::start();
    let run = n.run_external(&alice().fname("/no/such/file"));
    let args = run.args();
    assert_eq!(args[0], n.path("prog/external").to_str().unwrap());
    assert_eq!(args[1..10], FOR_ALICE);
    assert_eq!(args[10..], ["/no/such/file"]);
    assert_eq!(run.stdin, b"hello\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn without_fname_the_arguments_end_with_f() {
    let n = Notifyd::start();
    let run = n.run_external(&alice());
    assert_eq!(run.args()[1..], FOR_ALICE);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn empty_fname() {
    let n = Notifyd::start();
    let run = n.run_external(&alice().fname(""));
    assert_eq!(run.args()[1..10], FOR_ALICE);
    assert_eq!(run.args()[10..], [""]);
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn empty_fields() {
    let n = Notifyd::start();
    let run = n.run_external(&note("external"));
    assert_eq!(
        run.args()[1..],
        ["-c", "", "-p", "", "-u", "", "-m", "", "-f"]
    );
    assert_eq!(run.stdin, b"\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn options_are_not_passed() {
    let n = Notifyd::start();
    let run = n.run_external(&alice().option("one").option("two"));
    assert_eq!(run.args()[1..], FOR_ALICE);
    assert_eq!(run.stdin, b"hello\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn message_that_ends_with_a_newline_gets_another() {
    let n = Notifyd::start();
    assert_eq!(
        n.run_external(&alice().message("one\ntwo\n")).stdin,
        b"one\ntwo\n\n"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn any_byte_goes_through() {
    let n = Notifyd::start();
    let bytes: Vec<u8> = (1..=255).collect();
    let run = n.run_external(
        &note("external")
            .class(&bytes)
            .priority(&bytes)
            .user(&bytes)
            .mailbox(&bytes)
            .message(&bytes)
            .fname(&bytes),
    );
    for value in [2, 4, 6, 8, 10] {
        assert_eq!(run.argv[value], bytes);
    }
    assert_eq!(run.stdin, [&bytes[..], b"\n"].concat());
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn newline_in_each_field() {
    let n = Notifyd::start();
    let run = n.run_external(
        &note("external")
            .class("c\nc")
            .priority("p\np")
            .user("u\nu")
            .mailbox("m\nm")
            .message("t\nt")
            .fname("f\nf"),
    );
    assert_eq!(
        run.args()[1..],
        [
            "-c", "c\nc", "-p", "p\np", "-u", "u\nu", "-m", "m\nm", "-f", "f\nf"
        ]
    );
    assert_eq!(run.stdin, b"t\nt\n");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn fields_that_look_like_options() {
    let n = Notifyd::start();
    let run = n.run_external(
        &note("external")
            .class("-u")
            .priority("--")
            .user("-f")
            .mailbox("-c")
            .message("-m"),
    );
    assert_eq!(
        run.args()[1..],
        ["-c", "-u", "-p", "--", "-u", "-f", "-m", "-c", "-f"]
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn shell_characters_mean_nothing() {
    let n = Notifyd::start();
    let run = n.run_external(
        &note("external")
            .class("$(id)")
            .user("`id`; id")
            .mailbox("* ~ 'x")
            .message("$HOME"),
    );
    assert_eq!(
        run.args()[1..],
        [
            "-c", "$(id)", "-p", "", "-u", "`id`; id", "-m", "* ~ 'x", "-f"
        ]
    );
    assert_eq!(run.stdin, b"$HOME\n");
}

/// A file in the staging folder of the stage's spool, named as Cyrus 3.10 does, with an owner.
fn file(n: &Notifyd, owner: &str, mode: u32) -> PathBuf {
    let folder = n.path("spool/stage.");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("4711-12");
    std::fs::write(&path, "Subject: hi\r\n\r\nhello\r\n").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    let user = nix::unistd::User::from_name(owner).unwrap().unwrap();
    chown(&path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    path
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn the_staged_message() {
    let mut n = Notifyd::start();
    // What was sent before it asked the kernel who sends has no sender, and names no message.
    n.fence_log();
    let path = file(&n, "cyrus", 0o600);
    let run = n.run_external(&alice().fname(path.to_str().unwrap()));
    assert_eq!(run.args()[1..10], FOR_ALICE);
    assert_eq!(
        run.file.as_deref(),
        Some(&b"Subject: hi\r\n\r\nhello\r\n"[..])
    );
    let name = run.args()[10].clone();
    if ours() {
        // lmtpd removes its file when the delivery ends: ours names its own link to it, which is still there when the program runs.
        assert!(
            name.starts_with(n.path("conf/notifyd/files/").to_str().unwrap()),
            "{name}"
        );
    } else {
        assert_eq!(name, path.to_str().unwrap());
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn file_of_another_user() {
    let n = Notifyd::start();
    let path = file(&n, "root", 0o600);
    let run = n.run_external(&alice().fname(path.to_str().unwrap()));
    if !ours() {
        assert_eq!(run.args()[10], path.to_str().unwrap());
    }
    assert_eq!(run.file, None, "cyrus can't read it");
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn a_staged_message_that_has_gone() {
    let n = Notifyd::start();
    let sent = "/var/spool/cyrus/mail/stage./4711-1795370292-0";
    let run = n.run_external(&alice().fname(sent));
    let name = run.args()[10].clone();
    if ours() {
        // lmtpd gives that name to its next message as well, which may be somebody else's. Ours names a file that is not there.
        let ours = n.path("conf/notifyd/files/");
        assert!(name.starts_with(ours.to_str().unwrap()), "{name}");
        assert_eq!(run.file, None);
    } else {
        assert_eq!(name, sent);
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn symbolic_link_as_fname() {
    let n = Notifyd::start();
    let path = file(&n, "cyrus", 0o600);
    let links = [n.path("spool/link"), n.path("spool/stage./4711-13")];
    for (link, staged) in links.iter().zip([false, true]) {
        symlink(&path, link).unwrap();
        let run = n.run_external(&alice().fname(link.to_str().unwrap()));
        if staged && ours() {
            assert_eq!(run.file, None, "no link is followed");
        } else {
            assert_eq!(run.args()[10], link.to_str().unwrap());
        }
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn directory_as_fname() {
    let n = Notifyd::start();
    let path = n.path("spool");
    assert_eq!(
        n.run_external(&alice().fname(path.to_str().unwrap()))
            .args()[10],
        path.to_str().unwrap()
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn sixty_kilobytes() {
    let n = Notifyd::start();
    let text = "0123456789abcde\n".repeat(3750);
    let sent = alice().message(&text).fname("/no/such/file");
    let run = n.run_external(&sent);
    if ours() {
        assert_eq!(run.stdin, format!("{text}\n").into_bytes());
        assert_eq!(run.args()[10], "/no/such/file");
    } else {
        // Stock cuts the datagram at 21,267 bytes; with the rest of the message the fname is gone.
        let front = alice().message("").bytes().len() - 1;
        assert_eq!(
            run.stdin,
            [&text.as_bytes()[..21_267 - front], b"\n"].concat()
        );
        assert_eq!(run.args().len(), 10);
    }
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn one_after_the_other() {
    let mut n = Notifyd::start();
    n.external.set("delay", 0.1);
    for i in 0..5 {
        n.notify(&note("external").class("C").user(i.to_string()));
    }
    n.external.wait_count(5);
    let runs = n.fence_external();
    let users: Vec<String> = runs.iter().map(|run| run.args()[6].clone()).collect();
    assert_eq!(users, ["0", "1", "2", "3", "4"]);
    assert!(
        runs.windows(2).all(|w| w[1].begun >= w[0].ended),
        "two at once"
    );
}

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn surroundings() {
    let n = Notifyd::start();
    let run = n.run_external(&alice());
    let user = nix::unistd::User::from_name("cyrus").unwrap().unwrap();
    let (uid, gid) = (i64::from(user.uid.as_raw()), i64::from(user.gid.as_raw()));
    assert_eq!(run.ids, [uid, uid, gid, gid]);
    assert_eq!(run.umask, 0o077);
    assert_eq!(run.cwd, n.path("conf"));
    assert!(run.env.contains(&b"CYRUS_SERVICE=notify".to_vec()));
    assert!(run.fds[&0].starts_with("pipe:"), "{:?}", run.fds);
    // As with sendmail: nothing of the daemon's own, and a group of its own.
    assert_eq!(
        run.fds.values().any(|to| to.starts_with("socket:")),
        !ours(),
        "{:?}",
        run.fds
    );
    assert_eq!(run.pgid == run.pid, ours());
}
