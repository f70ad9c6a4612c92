//! Who we are: the daemon never runs as root, it becomes the Cyrus user first (`lib/util.c`, `become_cyrus`).

use nix::unistd::{Group, Uid, User, initgroups, setgid, setuid};
use std::ffi::CString;
use std::io;

/// Becomes `name`, with its groups (and `group` instead of its own when given), when we are root;
/// does nothing when we are anybody else.
/// To be called before anything of the user's is opened. Threads that run already, as the one that writes to syslogd,
/// become that user, too: the functions of libc change all threads of the process (`nptl(7)`), other than the system calls.
///
/// # Errors
/// One line that says what failed.
pub fn become_user(name: &str, group: Option<&str>) -> io::Result<()> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let failed = |what: &str, error: nix::Error| {
        io::Error::other(format!("cannot become user {name}: {what}: {error}"))
    };
    let user = User::from_name(name).map_err(|e| failed("look-up", e))?;
    let user = user.ok_or_else(|| io::Error::other(format!("no such user: {name}")))?;
    if user.uid.is_root() {
        return Err(io::Error::other(format!(
            "must not run as root: the Cyrus user {name} has uid 0"
        )));
    }
    let gid = match group {
        None => user.gid,
        Some(name) => {
            let found = Group::from_name(name).map_err(|e| failed("look-up of its group", e))?;
            found
                .ok_or_else(|| io::Error::other(format!("no such group: {name}")))?
                .gid
        }
    };
    let text = CString::new(name).map_err(io::Error::other)?;
    initgroups(&text, gid).map_err(|e| failed("initgroups", e))?;
    setgid(gid).map_err(|e| failed("setgid", e))?;
    setuid(user.uid).map_err(|e| failed("setuid", e))
}

/// The uid of user `name`; `None` when there is no such user, or nobody knows.
#[must_use]
pub fn uid_of(name: &str) -> Option<u32> {
    let user = User::from_name(name).ok().flatten();
    user.map(|user| user.uid.as_raw())
}

/// The groups that user `name` is in; none when there is no such user, or nobody knows.
#[must_use]
pub fn groups_of(name: &str) -> Vec<u32> {
    let user = User::from_name(name).ok().flatten();
    let groups = user.and_then(|user| {
        let text = CString::new(name).ok()?;
        nix::unistd::getgrouplist(&text, user.gid).ok()
    });
    let groups = groups.unwrap_or_default().into_iter();
    groups.map(|group| group.as_raw()).collect()
}

/// The gid of group `name`; `None` when there is no such group, or nobody knows.
#[must_use]
pub fn gid_of(name: &str) -> Option<u32> {
    let group = Group::from_name(name).ok().flatten();
    group.map(|group| group.gid.as_raw())
}

/// The login name of whoever runs us.
///
/// # Errors
/// One line when the password database has no entry for our user id, or cannot be read.
pub fn login_name() -> io::Result<String> {
    let uid = Uid::current();
    match User::from_uid(uid) {
        Ok(Some(user)) => Ok(user.name),
        Ok(None) => Err(io::Error::other(format!("user id {uid} has no login name"))),
        Err(error) => Err(io::Error::other(format!(
            "login name of user id {uid}: {error}"
        ))),
    }
}
