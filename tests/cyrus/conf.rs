//! What a real master makes of cyrus.conf, and what our reader says of the same bytes.
//!
//! Each case is a file whose START section runs a program that writes down its arguments. A DAEMON section without
//! a command ends master after that, before it opens anything.

use super::stage::Syslog;
use cyrus_notifyd::config::cyrus_conf::{CyrusConf, Section};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// The end of every case: master reads DAEMON last.
const LAST: &str = "DAEMON {\nlast\n}\n";
/// How many made-up files are tried besides.
const RANDOM: usize = 100;
/// What they are made of.
const PIECES: [&str; 24] = [
    "START",
    "START {",
    "START {\n",
    "start {",
    "SERVICES {\n",
    "\n",
    "\n",
    "\n}\n",
    "}",
    "{",
    " ",
    "\t",
    "#",
    "\"",
    "=",
    "a",
    "b ",
    "a cmd=\"REC x\"\n",
    "b cmd=REC\n",
    "cmd=",
    "\n c cmd=\"REC y z\" k=v",
    "-",
    "\0",
    "Start{\n",
];

const WRITTEN: [&str; 19] = [
    "START {\na cmd=\"REC one\"\n b cmd=REC # c\n}\n",
    "START\n{\na cmd=REC\n}\n",
    "Start {\na cmd=REC\n}\n",
    "start {\na cmd=REC\n}\n",
    "START {}\na cmd=REC\n}\n",
    "START { a cmd=REC\nb cmd=REC\n} c cmd=REC\n",
    "START {\na cmd=\"REC 1\"\n}\nSTART {\nb cmd=\"REC 2\"\n}\n",
    "START {\n}\n}\nSTART {\nb cmd=\"REC 2\"\n}\n",
    "OTHER {\nSTART {\na cmd=REC\n}\n}\n",
    "START {\na-b cmd=REC\n}\n",
    "START {\na cmd = REC\n}\n",
    "START {\na cmd=\"REC # 1\"\n}\n",
    "START {\na cmd=REC }\n",
    "START {\na cmd\n}\n",
    "START {\n-cmd=REC\n}\n",
    "START {\na x=1 cmd=\"REC 1\"cmd=\"REC 2\"\n}\n",
    "START {\na\n}\n",
    "SERVICES {\na cmd=REC listen\n}\nSTART {\na cmd=REC\n}\n",
    "EVENTS {\na \"\n}\nSTART {\na cmd=REC",
];

fn made_up() -> impl Iterator<Item = String> {
    let mut seed = 20_261_122_u64;
    let mut next = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap()
    };
    std::iter::repeat_with(move || {
        let length = 3 + next() % 20;
        let body: String = (0..length).map(|_| PIECES[next() % PIECES.len()]).collect();
        // Most of them begin as a file should, so that there is something to read.
        if next() % 4 > 0 {
            format!("START {{\n{body}\n}}\n")
        } else {
            body
        }
    })
}

/// What our reader expects of master: the arguments of each program that it runs, and its last words.
fn expected(data: &[u8], file: &str) -> (Vec<String>, Vec<u8>) {
    let conf = match CyrusConf::parse(data, file.as_bytes()) {
        Ok(conf) => conf,
        Err(error) => {
            // Sections are read one after the other, and entries too: those before the mistake have had their effect.
            let lines: Vec<&[u8]> = data.split_inclusive(|&b| b == b'\n').collect();
            let before = |count: usize| {
                CyrusConf::parse(&only_start(&lines[..count].concat()), file.as_bytes())
            };
            let start = (0..=lines.len())
                .rev()
                .find_map(|count| before(count).ok())
                .unwrap();
            let (runs, end) = runs(&start);
            return (runs, end.unwrap_or_else(|| error.message().to_vec()));
        }
    };
    let (runs, end) = runs(&conf);
    let services = conf
        .section(Section::Services)
        .chain(conf.section(Section::Daemon));
    let first = services.map(|entry| &entry.name).next().unwrap();
    let last = [
        b"unable to find command or port for service '",
        first.as_slice(),
        b"'",
    ]
    .concat();
    (runs, end.unwrap_or(last))
}

/// The same lines with other sections' names made unknown.
fn only_start(data: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(data).into_owned();
    text.replace("SERVICES", "XERVICES")
        .replace("DAEMON", "XAEMON")
        .replace("EVENTS", "XVENTS")
        .into_bytes()
}

fn runs(conf: &CyrusConf) -> (Vec<String>, Option<Vec<u8>>) {
    let mut runs = Vec::new();
    for entry in conf.section(Section::Start) {
        let words: Vec<String> = entry
            .command()
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        if entry.get("cmd").unwrap_or_default().is_empty() {
            return (
                runs,
                Some([b"unable to find command for ", entry.name.as_slice()].concat()),
            );
        }
        if !words[0].ends_with("/rec") {
            return (runs, Some(b"can't run startup".to_vec()));
        }
        runs.push(words[1..].join(" "));
    }
    (runs, None)
}

const ENTER: &str = r#"dir=$1
mount --rbind /dev "$dir/dev/.real"; mount --rbind "$dir/dev" /dev
cd "$dir"
for case in cases/*; do
    rm -f out
    # It always ends with an error, and always by itself.
    timeout 20 /usr/lib/cyrus/bin/master -C "$dir/imapd.conf" -M "$case" -p "$dir/master.pid" || [ $? = 78 ] || [ $? = 1 ]
    if [ -e out ]; then mv out "$case.out"; fi
    /usr/bin/logger -i -t end "$case" || exit
done"#;

#[test]
#[ignore = "needs root and Debian's cyrus-imapd: run tests/run"]
fn master_reads_it_as_we_do() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    for folder in ["dev/.real", "conf", "cases"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    symlink(".real/null", dir.join("dev/null")).unwrap();
    // START programs run as the Cyrus user.
    for folder in [dir.to_owned(), dir.join("conf")] {
        fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let recorder = dir.join("rec");
    fs::write(
        &recorder,
        format!("#!/bin/sh\necho \"$*\" >>{}/out\n", dir.display()),
    )
    .unwrap();
    fs::set_permissions(&recorder, PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(
        dir.join("imapd.conf"),
        format!("configdirectory: {}/conf\n", dir.display()),
    )
    .unwrap();
    let written = WRITTEN.iter().map(|&case| case.to_owned());
    let cases: Vec<String> = written
        .chain(made_up().take(RANDOM))
        .map(|case| format!("{LAST}{case}").replace("REC", recorder.to_str().unwrap()))
        .collect();
    for (number, case) in cases.iter().enumerate() {
        fs::write(dir.join(format!("cases/{number:03}")), case).unwrap();
    }
    let mut log = Syslog::new(&dir.join("dev/log"));
    log.open();
    let output = Command::new("unshare")
        .args(["-mn", "--", "bash", "-ec", ENTER, "bash"])
        .arg(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    log.wait("the last case", |record| {
        record.has(&format!("cases/{:03}", cases.len() - 1)) && record.severity() == 5
    });
    let critical: Vec<Vec<u8>> = log
        .records()
        .into_iter()
        .filter(|record| record.severity() == 2)
        .map(|record| record.text)
        .collect();
    check(dir, &cases, &critical);
}

fn check(dir: &Path, cases: &[String], critical: &[Vec<u8>]) {
    let mut run = 0;
    for (number, case) in cases.iter().enumerate() {
        let file = format!("cases/{number:03}");
        let (runs, end) = expected(case.as_bytes(), &file);
        let out = fs::read_to_string(dir.join(format!("{file}.out"))).unwrap_or_default();
        let said = String::from_utf8_lossy(&critical[number]);
        assert_eq!(said, String::from_utf8_lossy(&end), "{case:?}");
        assert_eq!(out.lines().collect::<Vec<_>>(), runs, "{case:?}");
        run += runs.len();
    }
    assert_eq!(critical.len(), cases.len());
    assert!(run > 20, "only {run} programs were run");
}
