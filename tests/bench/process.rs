//! What Linux says of a process: memory and time.

use std::fs;

/// A figure of `/proc/PID/status` in megabytes (10^6 bytes): `VmRSS`, `VmHWM`.
pub(crate) fn memory(pid: u32, key: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .expect("a line of status");
    let kilobytes: f64 = line
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    kilobytes * 1024.0 / 1e6
}

/// Processor time of all its threads so far, in seconds (`/proc/PID/task/*/schedstat`: nanoseconds).
pub(crate) fn processor_time(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let of_task = |task: fs::DirEntry| -> Option<f64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?; // a thread that has just ended
        text.split_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(|task| of_task(task.ok()?)).sum::<f64>() / 1e9
}

/// Processor time of the children it has waited for, in seconds (`/proc/PID/stat`: hundredths).
pub(crate) fn childrens_time(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<&str> = text
        .rsplit_once(") ")
        .expect("a name in parentheses")
        .1
        .split_whitespace()
        .collect();
    // proc_pid_stat(5): cutime and cstime are fields 16 and 17; after the name begins the third.
    let ticks = |field: usize| fields[field - 3].parse::<f64>().expect("ticks");
    (ticks(16) + ticks(17)) / 100.0
}
