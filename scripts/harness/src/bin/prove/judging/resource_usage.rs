//! What the balancer uses: the memory and descriptors of its processes, the number of processes, and files.
//!
//! All figures come from /proc and the directories, so no measured process has to report on itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use harness::Result;
use harness::run::MARK;
use harness::run::process;

use crate::setups::networked_balancer::NetworkedBalancer;

/// The figures of one moment, by name: memory in KiB, the rest in numbers.
pub type ResourceUsage = BTreeMap<String, u64>;

/// Measures them now.
pub fn measure(site: &mut NetworkedBalancer) -> Result<ResourceUsage> {
    let mut usage = ResourceUsage::new();
    for (name, pid) in balancers(site)? {
        usage.insert(format!("{name}, memory (KiB)"), memory(pid));
        usage
            .insert(format!("{name}, descriptors"), entries(Path::new(&format!("/proc/{pid}/fd")), |_| true));
    }
    let is_record = |name: &str| name.ends_with(".json") && !name.starts_with('.');
    usage.insert("processes but web apps and agents".to_owned(), others(site)?.len() as u64);
    let temporary = entries(&site.balancer.nodes_dir(), |name| !is_record(name));
    usage.insert("files in the nodes directory but records".to_owned(), temporary);
    let state = site.balancer.directory().join("state");
    usage.insert("files in the state directory".to_owned(), entries(&state, |_| true));
    Ok(usage)
}

/// The balancer's long-running processes, by their names in the figures.
fn balancers(site: &mut NetworkedBalancer) -> Result<Vec<(&'static str, u32)>> {
    let haproxy = site.balancer.haproxy()?;
    let mut all = vec![("HAProxy's worker", haproxy.worker_pid()?)];
    all.extend(haproxy.pid().map(|pid| ("HAProxy's master", pid)));
    all.push(("the Serf agent", site.balancer.agent()?.daemon.id()));
    all.extend(site.balancer.watcher.as_ref().map(|watcher| ("render-cfg --watch", watcher.id())));
    Ok(all)
}

/// The run's processes except web apps and agents.
fn others(site: &NetworkedBalancer) -> Result<Vec<u32>> {
    let mut pids = marked(site)?;
    pids.retain(|pid| !["node", "serf", ""].contains(&command_name(*pid).as_str()));
    Ok(pids)
}

/// All of the run's processes.
pub fn marked(site: &NetworkedBalancer) -> Result<Vec<u32>> {
    let mark = format!("{MARK}={}", site.run().path().display());
    process::marked(|entry| entry == mark.as_bytes())
}

/// The name of a process's command; empty if it has ended.
pub fn command_name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// The resident memory of a process, in KiB.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// How many entries of a directory have a matching name.
fn entries(directory: &Path, is_wanted: impl Fn(&str) -> bool) -> u64 {
    let names = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter(|name| is_wanted(&name.to_string_lossy())).count() as u64
}
