//! The recording program that stands for sendmail and for notify_external: `recorder.c`,
//! compiled once, copied under the wanted name into each stage.
//!
//! A script could not write down raw bytes, and Cargo builds no helper programs for tests.

use super::{LIMIT, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One run of a [`Recorder`].
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub argv: Vec<Vec<u8>>,
    pub env: Vec<Vec<u8>>,
    /// Empty when it was told not to read it.
    pub stdin: Vec<u8>,
    /// Content of the regular file that a last pair of arguments `-f PATH` names.
    pub file: Option<Vec<u8>>,
    /// Open descriptors and what they lead to, as /proc shows it.
    pub fds: BTreeMap<u32, String>,
    pub cwd: PathBuf,
    pub pid: i64,
    pub ppid: i64,
    pub pgid: i64,
    pub sid: i64,
    /// Real and effective user and group.
    pub ids: [i64; 4],
    pub groups: Vec<i64>,
    pub umask: i64,
    /// Signals blocked and ignored, bit 0 is signal 1.
    pub blocked: u64,
    pub ignored: u64,
    /// Seconds since 1970.
    pub begun: f64,
    pub ended: f64,
}

impl Run {
    fn parse(line: &str) -> Run {
        let v: Value = serde_json::from_str(line).expect("the recorder writes JSON");
        let number = |key: &str| v[key].as_i64().unwrap_or(-1);
        let mask =
            |key: &str| u64::from_str_radix(v[key].as_str().unwrap_or("0"), 16).expect("hex mask");
        let list = |key: &str| {
            v[key]
                .as_array()
                .map(|a| a.iter().map(unhex).collect())
                .unwrap_or_default()
        };
        let fds = v["fds"].as_object().expect("fds");
        let link = |(fd, to): (&String, &Value)| {
            (
                fd.parse().expect("fd"),
                String::from_utf8_lossy(&unhex(to)).into_owned(),
            )
        };
        Run {
            argv: list("argv"),
            env: list("env"),
            stdin: unhex(&v["stdin"]),
            file: v.get("file").map(unhex),
            fds: fds.iter().map(link).collect(),
            cwd: String::from_utf8_lossy(&unhex(&v["cwd"]))
                .into_owned()
                .into(),
            pid: number("pid"),
            ppid: number("ppid"),
            pgid: number("pgid"),
            sid: number("sid"),
            ids: [number("uid"), number("euid"), number("gid"), number("egid")],
            groups: v["groups"]
                .as_array()
                .expect("groups")
                .iter()
                .filter_map(Value::as_i64)
                .collect(),
            umask: number("umask"),
            blocked: mask("blocked"),
            ignored: mask("ignored"),
            begun: v["begun"].as_f64().unwrap_or_default(),
            ended: v["ended"].as_f64().unwrap_or_default(),
        }
    }
    /// The arguments as text, lossy: for comparing readable ones.
    pub fn args(&self) -> Vec<String> {
        self.argv
            .iter()
            .map(|a| String::from_utf8_lossy(a).into_owned())
            .collect()
    }
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex"))
        .collect()
}

/// The recording program under one name in one stage.
pub struct Recorder {
    path: PathBuf,
}

impl Recorder {
    /// Puts the program at `path`.
    pub fn install(path: &Path) -> Recorder {
        install(compiled(), path);
        Recorder {
            path: path.to_owned(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(suffix);
        name.into()
    }

    /// Steers coming runs: `delay`, `hold`, `exitcode`, `nostdin`, `flood`, `fork`, `signal` (see recorder.c). 0 takes the wish back.
    pub fn set(&self, wish: &str, value: f64) {
        std::fs::write(self.beside(wish), format!("{value}\n")).expect("write the wish");
    }

    /// The runs that have ended, oldest first.
    pub fn runs(&self) -> Vec<Run> {
        let text = std::fs::read_to_string(self.beside("runs")).unwrap_or_default();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(Run::parse)
            .collect()
    }

    /// Forgets the runs so far, for tests that take long. None may be under way.
    pub fn forget(&self) {
        for list in ["runs", "started"] {
            let _ = std::fs::remove_file(self.beside(list));
        }
    }

    /// Process ids of all runs that have begun.
    pub fn started(&self) -> Vec<i32> {
        let text = std::fs::read_to_string(self.beside("started")).unwrap_or_default();
        text.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n')?.parse().ok())
            .collect()
    }

    /// Waits for an ended run for which `wanted` holds.
    pub fn wait(&self, what: &str, mut wanted: impl FnMut(&Run) -> bool) -> Run {
        wait_for(
            &format!("a run of {}: {what}", self.path.display()),
            LIMIT,
            || self.runs().into_iter().find(&mut wanted),
        )
    }

    /// Waits until `count` runs have ended, and gives them.
    pub fn wait_count(&self, count: usize) -> Vec<Run> {
        let what = format!("{count} runs of {}", self.path.display());
        wait_for(&what, LIMIT, || {
            Some(self.runs()).filter(|runs| runs.len() >= count)
        })
    }

    /// Waits until `count` runs have begun.
    pub fn wait_started(&self, count: usize) {
        let what = format!("{count} runs of {} begun", self.path.display());
        wait_for(&what, LIMIT, || {
            (self.started().len() >= count).then_some(())
        })
    }
}

impl Drop for Recorder {
    /// Ends runs that are still asleep. A process id counts only while it still runs our copy.
    fn drop(&mut self) {
        for pid in self.started() {
            let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
            if exe.is_ok_and(|exe| exe == self.path)
                && let Some(pid) = rustix::process::Pid::from_raw(pid)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

/// Puts a program at `path`. A process of its own copies it: a descriptor open for writing in this one could slip into another
/// test's child and make the program "busy" for exec.
pub(super) fn install(program: &Path, path: &Path) {
    let done = Command::new("install")
        .args(["-m", "755"])
        .args([program, path])
        .status()
        .expect("install");
    assert!(done.success(), "cannot install {}", path.display());
}

fn compiled() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| compile("recorder"))
}

/// Compiles a program of this folder; several test programs may do so at once, hence the rename.
pub(super) fn compile(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let fresh = dir.join(format!("{name}.{}", std::process::id()));
    let done = dir.join(name);
    let source = format!("{}/tests/stage/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let cc = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&fresh)
        .arg(source)
        .status();
    assert!(
        cc.expect("a C compiler").success(),
        "{name}.c does not compile"
    );
    std::fs::rename(&fresh, &done).expect("rename what was compiled");
    done
}
