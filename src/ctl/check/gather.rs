//! Collects the [`Facts`]: reads the files and asks the machine. Decides nothing.

use super::facts::{Disk, Facts, Folder, NoCyrusConf, Program, Type, program};
use super::secrets::SecretFile;
use crate::config::cyrus_conf::{CyrusConf, Section};
use crate::config::secret;
use crate::config::{ConfigError, Context, NotifySocket, Settings};
use crate::ctl::place;
use crate::method;
use crate::spool::{self, queue::Queue};
use crate::system::syslog::printable;
use crate::system::user;
use rustix::fs::{Access, access};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A text that is in our daemon, and in no other: where its log lines come from.
const MARK: &[u8] = b"cyrus_notifyd::daemon::";
/// The largest file that is taken for a program of ours.
const LARGEST_PROGRAM: u64 = 256 << 20;

/// Reads `imapd` and `cyrus`, becomes the Cyrus user when we are root, and looks at the machine as that user.
pub(super) fn gather(imapd: &Path, cyrus: &Path) -> Result<Facts, ConfigError> {
    let conf = read_cyrus_conf(cyrus);
    let context = context(conf.as_ref().ok());
    let settings = Settings::load(Some(imapd), &context)?.with_own(&context, &method::known());
    let context_prefix = context.cyrus_prefix.clone();
    let strict = Context {
        lenient: false,
        ..context
    };
    let refused = strict
        .read(Some(imapd))
        .err()
        .map(|error| error.to_string());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = text(&settings.cyrus_user);
    let group = settings.cyrus_group.as_deref().map(text);
    let secret_files = secret_files(&settings, context_prefix.as_deref());
    // When it fails, there is a rule that says why the daemon does not start; we look as who we are.
    let _ = user::become_user(&name, group.as_deref());
    let folder = settings.spool();
    Ok(Facts {
        imapd_file: imapd.display().to_string(),
        refused,
        cyrus_file: cyrus.display().to_string(),
        programs: programs(&settings, conf.as_ref().ok()),
        bad_templates: place::bad_templates(&settings),
        socket_folder: socket_path(&settings).parent().and_then(look),
        open_sockets: open_sockets(socket_path(&settings)),
        spool_folder: look(&folder),
        disk: disk(&folder),
        cyrus_uid: user::uid_of(&name),
        cyrus_groups: {
            let mut groups = user::groups_of(&name);
            groups.extend(group.as_deref().and_then(user::gid_of));
            groups
        },
        secret_files,
        wmem_default: number("/proc/sys/net/core/wmem_default"),
        now: spool::now() / 1_000_000,
        built: built(),
        newest: newest(&folder),
        cyrus: conf,
        settings,
    })
}

/// As master does: CYRUS_PREFIX is put before the name and tried first.
fn read_cyrus_conf(file: &Path) -> Result<CyrusConf, NoCyrusConf> {
    let prefix = std::env::var_os("CYRUS_PREFIX").map(OsString::into_vec);
    let prefixed = prefix.map(|prefix| {
        PathBuf::from(OsString::from_vec(
            [&prefix, file.as_os_str().as_bytes()].concat(),
        ))
    });
    let data = match prefixed.and_then(|path| fs::read(path).ok()) {
        Some(data) => data,
        None => fs::read(file).map_err(|error| NoCyrusConf::Unreadable(error.to_string()))?,
    };
    CyrusConf::parse(&data, file.as_os_str().as_bytes())
        .map_err(|error| NoCyrusConf::Refused(printable(error.message(), 1000)))
}

/// What the daemon's environment will be: the service has its name from cyrus.conf.
fn context(conf: Option<&CyrusConf>) -> Context {
    let mut context = Context {
        lenient: true,
        ..Context::from_env()
    };
    let named = |path: PathBuf| path.file_name().is_some_and(|name| name == "notifyd");
    let service = conf.and_then(|conf| {
        let mut services = conf.section(Section::Services);
        services.find(|entry| program(entry).is_some_and(named))
    });
    if let Some(entry) = service.filter(|_| std::env::var_os("CYRUS_SERVICE").is_none()) {
        context.service = OsStr::from_bytes(&entry.name).to_owned();
    }
    context
}

fn socket_path(settings: &Settings) -> &Path {
    match &settings.notifysocket {
        NotifySocket::Datagram(path) | NotifySocket::Dlist(path) => path,
    }
}

fn programs(settings: &Settings, conf: Option<&CyrusConf>) -> BTreeMap<PathBuf, Program> {
    let services = conf
        .into_iter()
        .flat_map(|conf| conf.section(Section::Services));
    let methods = settings.notify_external.iter().chain([&settings.sendmail]);
    let paths = services.filter_map(program).chain(methods.cloned());
    paths
        .map(|path| (path.clone(), look_at_program(&path)))
        .collect()
}

fn look_at_program(path: &Path) -> Program {
    let meta = fs::metadata(path);
    let is_notifyd = path.file_name().is_some_and(|name| name == "notifyd");
    Program {
        file: meta.as_ref().is_ok_and(Metadata::is_file),
        runs: access(path, Access::EXEC_OK).is_ok(),
        ours: match meta {
            Ok(meta) if is_notifyd && meta.is_file() && meta.len() < LARGEST_PROGRAM => {
                fs::read(path).ok().map(|data| is_ours(&data))
            }
            _ => None,
        },
    }
}

fn is_ours(data: &[u8]) -> bool {
    data.windows(MARK.len()).any(|window| window == MARK)
}

fn look(folder: &Path) -> Option<Folder> {
    let meta = fs::metadata(folder).ok().filter(Metadata::is_dir)?;
    Some(Folder {
        uid: meta.uid(),
        mode: meta.mode(),
    })
}

/// The files that hold secrets: imapd.conf, what it includes, and private keys. `prefix` is CYRUS_PREFIX.
fn secret_files(settings: &Settings, prefix: Option<&OsStr>) -> Vec<SecretFile> {
    let text = |bytes: &[u8]| printable(bytes, 300);
    let look = |path: &[u8], holds: &[u8], line: u32| {
        let path = Path::new(OsStr::from_bytes(path));
        let meta = fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some(SecretFile {
            path: text(path.as_os_str().as_bytes()),
            holds: text(holds),
            line,
            mode: meta.mode(),
            gid: meta.gid(),
        })
    };
    let conf = settings.conf();
    let with_passwords = conf.secrets().filter_map(|(file, option, line)| {
        let prefixed = prefix.map(|prefix| [prefix.as_bytes(), file].concat());
        let prefixed = prefixed.and_then(|path| look(&path, option, line));
        prefixed.or_else(|| look(file, option, line))
    });
    let keys = secret::KEY_FILES.iter();
    let keys = keys.filter_map(|name| look(conf.text(name)?, name.as_bytes(), 0));
    let mut found: Vec<SecretFile> = with_passwords.chain(keys).collect();
    found.dedup_by(|one, other| one.path == other.path);
    found
}

/// The types of the sockets at `path` that some process has open (proc(5), `/proc/net/unix`).
fn open_sockets(path: &Path) -> Vec<Type> {
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    let path = path.as_os_str().as_bytes();
    let of_line = |line: &[u8]| {
        // Address, references, protocol, flags, type, state, inode, path; the path may have blanks.
        let head = line.strip_suffix(path)?.strip_suffix(b" ")?;
        let mut fields = head.split(|&b| b == b' ').filter(|field| !field.is_empty());
        match fields.nth(4)? {
            b"0001" => Some(Type::Stream),
            b"0002" => Some(Type::Datagram),
            _ => None,
        }
    };
    table.split(|&b| b == b'\n').filter_map(of_line).collect()
}

/// The file system of `folder`, or of the nearest folder above that exists.
fn disk(folder: &Path) -> Option<Disk> {
    let stat = folder
        .ancestors()
        .find_map(|path| rustix::fs::statfs(path).ok())?;
    let size = u64::try_from(stat.f_bsize).ok()?;
    Some(Disk {
        // 32 bits, sign-extended on some machines.
        magic: (stat.f_type as u64) & 0xffff_ffff,
        free: stat.f_bavail.saturating_mul(size),
    })
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn built() -> Option<i64> {
    let meta = std::env::current_exe().and_then(fs::metadata);
    meta.map(|meta| meta.mtime()).ok()
}

fn newest(folder: &Path) -> Option<i64> {
    let newest = |queue: Queue| queue.newest();
    // A spool that cannot be read has rules of its own.
    let read: io::Result<_> = Queue::open(folder).and_then(|queue| queue.map_or(Ok(None), newest));
    read.ok().flatten().map(|micros| micros / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    #[test]
    fn open_sockets_are_seen_with_their_type() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("a socket");
        assert_eq!(open_sockets(&path), []);
        let datagram = UnixDatagram::bind(&path).unwrap();
        assert_eq!(open_sockets(&path), [Type::Datagram]);
        drop(datagram);
        assert_eq!(open_sockets(&path), []);
        fs::remove_file(&path).unwrap();
        let _listener = UnixListener::bind(&path).unwrap();
        assert_eq!(open_sockets(&path), [Type::Stream]);
        assert_eq!(open_sockets(&tmp.path().join("socket")), []);
    }

    #[test]
    fn the_disk_of_a_folder_that_is_not_there_yet() {
        let tmp = tempfile::tempdir().unwrap();
        assert_eq!(
            disk(&tmp.path().join("a/b/c")).map(|disk| disk.magic),
            disk(tmp.path()).map(|disk| disk.magic)
        );
        assert!(disk(Path::new("/proc")).is_some_and(|disk| disk.magic == 0x9fa0));
    }
}
