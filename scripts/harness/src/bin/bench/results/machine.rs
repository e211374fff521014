//! Describes the machine on which the figures were measured, without which they cannot be compared.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use common::replace::replace;
use harness::run::programs;

use crate::results::sampling::median;

/// Lines for the head: processors, kernel, load, file system, versions.
pub fn describe(directory: &Path) -> Vec<String> {
    let count = available_parallelism().map_or(0, usize::from);
    vec![
        format!("processors   {count} x {}", processor()),
        format!("kernel       {}", first_line("/proc/sys/kernel/osrelease")),
        format!("load         {} (1, 5, 15 minutes; of others too)", load()),
        format!(
            "directory    {}, {}; making a file durable takes {}",
            directory.display(),
            kind(directory),
            sync(directory)
        ),
        format!("haproxy      {}", said("haproxy", "-v")),
        format!("serf         {}", said("serf", "version")),
        format!("rustc        {}", said("rustc", "-V")),
    ]
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name).to_owned()
}

fn load() -> String {
    first_line("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn first_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or("unknown").to_owned()
}

/// The file system of a directory. On tmpfs, a sync costs nothing.
fn kind(directory: &Path) -> String {
    let output = Command::new("df").arg("--output=fstype").arg(directory).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().nth(1).unwrap_or("unknown").to_owned()
}

/// The time that the disk needs for every change: write, sync, rename, sync.
fn sync(directory: &Path) -> String {
    let file = directory.join("sync");
    let once = |number: usize| {
        let start = std::time::Instant::now();
        replace(&file, &[b'x'; 100], 0o600).ok().filter(|()| number >= 3).map(|()| start.elapsed())
    };
    let times: Vec<_> = (0..43).filter_map(once).collect();
    if times.is_empty() {
        "unknown".to_owned()
    } else {
        format!("{:.2} ms", median(times).as_secs_f64() * 1e3)
    }
}

fn said(program: &str, argument: &str) -> String {
    version(&programs::find(program).unwrap_or_else(|_| program.into()), argument)
}

/// The first line of a program's version output, without its own name; `unknown` if it does not run.
pub fn version(program: &Path, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    let line = text.lines().next().unwrap_or("unknown");
    // HAProxy and rustc print their own name first.
    let line = line.strip_prefix("HAProxy version ").or_else(|| line.strip_prefix("rustc ")).unwrap_or(line);
    line.split(" - http").next().unwrap_or(line).to_owned()
}
