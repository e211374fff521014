//! Checks that forged members create no file outside the nodes directory, add no line beyond the template, and remove
//! no node.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use common::node::{Node, check_name};
use common::records::read_all;
use harness::cluster::local_cluster::Cluster;
use harness::{Result, system};

use crate::judging::haproxy_check::HaproxyCheck;
use crate::judging::listing::{Listing, listing};
use crate::proofs::forgery::config_grammar::ConfigGrammar;

/// The state before any forgery.
pub struct Observer {
    /// The directory tree that is watched. The nodes directory is deep inside it.
    place: PathBuf,
    paths: BTreeSet<PathBuf>,
    honest: Listing,
    places: Vec<SocketAddr>,
    shape: ConfigGrammar,
    checked: HaproxyCheck,
}

impl Observer {
    /// Records the present state: all paths in `place`, and the records, which must all belong to honest members.
    pub fn new(place: &Path, cluster: &Cluster, shape: ConfigGrammar) -> Result<Observer> {
        let honest = listing(&cluster.balancer.nodes_dir())?;
        let places = cluster.servers()?.iter().filter_map(|server| server.address.parse().ok()).collect();
        let checked = HaproxyCheck::new(cluster.run().join("checked.cfg"))?;
        let mut watch =
            Observer { place: place.to_owned(), paths: BTreeSet::new(), honest, places, shape, checked };
        // The check makes a file of its own, which must be among the paths.
        watch.checked.fault(&cluster.balancer.config())?;
        watch.paths = tree(place, &cluster.balancer.nodes_dir())?;
        Ok(watch)
    }

    /// The faults now.
    pub fn faults(&mut self, cluster: &Cluster) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        let nodes = cluster.balancer.nodes_dir();
        let is_new = |path: &&PathBuf| !self.paths.contains(*path) && !is_passing(path);
        for path in tree(&self.place, &nodes)?.iter().filter(is_new) {
            faults.push(format!("there is '{}' outside the nodes directory", path.display()));
        }
        faults.extend(self.records(&nodes)?);
        let config = cluster.balancer.config();
        let text = fs::read_to_string(&config).map_err(system("read", config.display()))?;
        faults.extend(self.shape.strange(&text).map(|line| format!("in haproxy.cfg there is '{line}'")));
        faults.extend(self.checked.fault(&config)?);
        let served = cluster.balancer.haproxy()?.in_service()?;
        for place in &self.places {
            if !served.values().any(|address| address == place) {
                faults.push(format!("{place}, an honest one, is not served"));
            }
        }
        Ok(faults)
    }

    /// The names of the nodes with a record, except the honest ones.
    pub fn left(&self, cluster: &Cluster) -> Vec<String> {
        let seen = listing(&cluster.balancer.nodes_dir()).unwrap_or_default();
        let left = seen.keys().filter(|file| !self.honest.contains_key(*file));
        left.filter_map(|file| file.strip_suffix(".json")).map(str::to_owned).collect()
    }

    /// The faults in the nodes directory.
    fn records(&self, nodes: &Path) -> Result<Vec<String>> {
        let seen = listing(nodes)?;
        let is_record = |name: &str| name.strip_suffix(".json").is_some_and(|name| check_name(name).is_ok());
        let strange = seen.keys().filter(|name| !is_record(name) && !is_passing(Path::new(name)));
        let mut faults: Vec<String> =
            strange.map(|name| format!("there is '{name}' in the nodes directory")).collect();
        let changed = self.honest.iter().filter(|(name, bytes)| seen.get(*name) != Some(bytes));
        faults.extend(changed.map(|(name, _)| format!("'{name}', an honest one, is lost or changed")));
        let is_whole = |bytes: &[u8]| Node::unpack(bytes).is_ok_and(|node| node.pack() == bytes);
        let broken = seen.iter().filter(|(name, bytes)| is_record(name) && !is_whole(bytes));
        faults.extend(broken.map(|(name, _)| format!("'{name}' is not a record")));
        if let Err(err) = read_all(nodes) {
            faults.push(err.to_string());
        }
        Ok(faults)
    }
}

/// Whether it is a temporary file, also one of HAProxy for a socket, the state that reload-haproxy keeps during a reload,
/// or one of the files in the state directory that say which errors are in the log, or that come with the first event.
fn is_passing(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_in_state = path.parent().is_some_and(|directory| directory.ends_with("state"));
    let is_of_run =
        name.ends_with(".faults") || name.ends_with(".reported") || ["verdict", "listed"].contains(&&*name);
    (name.starts_with('.') && name.ends_with(".tmp")) || (is_in_state && is_of_run) || is_of_socket(&name)
}

/// Whether HAProxy has this file for a moment while a new process binds a Unix socket: `x.sock.PID.tmp`, and `.bak` for
/// the old socket.
fn is_of_socket(name: &str) -> bool {
    let name = name.strip_suffix(".tmp").or_else(|| name.strip_suffix(".bak"));
    let pid = name.and_then(|name| name.rsplit_once(".sock.")).map(|(_, pid)| pid);
    pid.is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))
}

/// All paths below a directory, without those in the nodes directory.
fn tree(directory: &Path, nodes: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(directory).map_err(system("list", directory.display()))?.flatten() {
        let path = entry.path();
        if path != nodes && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            paths.extend(tree(&path, nodes)?);
        }
        paths.insert(path);
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_pass_away_are_no_fault() {
        for name in [
            ".haproxy.cfg.tmp",
            "haproxy-master.sock.24468.bak",
            "admin.sock.1.tmp",
            "state/x.faults",
            "state/verdict",
        ] {
            assert!(is_passing(Path::new(name)), "{name}");
        }
        for name in
            ["a.tmp", "x.sock.bak", "x.sock..tmp", "x.sock.1a.tmp", "x.sock.1", "x.faults", "nodes/verdict"]
        {
            assert!(!is_passing(Path::new(name)), "{name}");
        }
    }
}
