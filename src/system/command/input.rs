//! The standard input of a program, whole before the program starts: nobody feeds it, so our death cuts nothing.
//!
//! Up to [`IN_PIPE`] it is a pipe that holds all of it already and that nobody writes to any more. A pipe is what Cyrus'
//! own notifyd gives, and what SELinux lets a sendmail read: it puts `/dev/null` in the place of a file of ours that
//! the program's domain may not read, and an empty mail would leave. What is larger is a sealed file in memory
//! (memfd_create(2)), or an unlinked file in the folder for temporary files where the kernel has none. Each program has
//! an open file description of its own, which begins at the first byte.
//!
//! The bytes are the kernel's until the program ends, at most one input for each attempt under way.

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// Largest input in a pipe, in bytes: what Linux allows everybody (`fs.pipe-max-size`).
const IN_PIPE: usize = 1 << 20;
/// What a new pipe holds, in bytes.
const PIPE: usize = 64 << 10;

/// A descriptor from which `bytes` can be read, and then the end of the file.
///
/// # Errors
/// When the system has no descriptor or memory left.
pub(super) fn whole(bytes: &[u8]) -> io::Result<OwnedFd> {
    if let Some(pipe) = pipe(bytes)? {
        return Ok(pipe);
    }
    memory(bytes).or_else(|_| unlinked(bytes))
}

/// A pipe with all of `bytes` in it; `None` when they are more than a pipe takes.
fn pipe(bytes: &[u8]) -> io::Result<Option<OwnedFd>> {
    if bytes.len() > IN_PIPE {
        return Ok(None);
    }
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    if bytes.len() > PIPE && fcntl_setpipe_size(&writer, bytes.len()).is_err() {
        return Ok(None); // the user's share of memory for pipes is used up
    }
    // Only our end: the program must not see a descriptor that does not wait.
    rustix::io::ioctl_fionbio(&writer, true)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(&writer, rest) {
            Ok(n) => rest = &rest[n..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None), // as above: such a pipe holds a page or two
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(reader))
}

/// A file in memory that nobody can change any more.
fn memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Where `vm.memfd_noexec` is 2 the flag is a must; before Linux 6.3 it is unknown.
    let file = memfd_create("notification", flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| memfd_create("notification", flags))?;
    let file = File::from(file);
    file.write_all_at(bytes, 0)?;
    fcntl_add_seals(
        &file,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    Ok(file.into())
}

/// A file without a name.
fn unlinked(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(std::env::temp_dir(), flags, Mode::RUSR | Mode::WUSR)?;
    let file = File::from(file);
    file.write_all_at(bytes, 0)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};

    fn read(fd: OwnedFd) -> Vec<u8> {
        let mut bytes = Vec::new();
        File::from(fd).read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn is_pipe(fd: &OwnedFd) -> bool {
        let mode = rustix::fs::fstat(fd).unwrap().st_mode;
        rustix::fs::FileType::from_raw_mode(mode) == rustix::fs::FileType::Fifo
    }

    #[test]
    fn it_is_whole_whatever_its_size() {
        for size in [
            0,
            1,
            PIPE - 1,
            PIPE,
            PIPE + 1,
            170_000,
            IN_PIPE,
            IN_PIPE + 1,
            5 << 20,
        ] {
            let bytes: Vec<u8> = (0..size).map(|n| n as u8).collect();
            let input = whole(&bytes).unwrap();
            // A user who has used up his share of memory for pipes gets files.
            assert!(!is_pipe(&input) || size <= IN_PIPE);
            assert!(read(input) == bytes, "{size}");
        }
    }

    #[test]
    fn a_small_one_is_a_pipe_as_with_stock() {
        assert!(is_pipe(&whole(b"small").unwrap()));
    }

    #[test]
    fn a_large_one_can_be_read_twice_and_not_changed() {
        let bytes = vec![b'x'; IN_PIPE + 1];
        let mut file = File::from(whole(&bytes).unwrap());
        for _ in 0..2 {
            let mut read = Vec::new();
            file.read_to_end(&mut read).unwrap();
            assert!(read == bytes);
            file.rewind().unwrap();
        }
        assert!(file.write_all(b"y").is_err() && file.set_len(1).is_err());
    }

    #[test]
    fn without_files_in_memory_it_is_an_unlinked_file() {
        assert_eq!(read(unlinked(b"large").unwrap()), b"large");
    }
}
