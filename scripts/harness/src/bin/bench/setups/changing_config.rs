//! A HAProxy with many servers whose file is replaced while it runs: by one with the same servers, or with some more.
//!
//! The file is rendered once and then varied here. So only reload-haproxy's part of a change is measured, and a
//! server that joins has a name that HAProxy has not had before.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use common::replace::replace;
use harness::cluster::balancer::Balancer;
use harness::daemons::haproxy::Mode;
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::{Error, Result};

use crate::results::timed_run::{TimedRun, system};
use crate::setups::node_records::NodeRecords;
use crate::setups::rare_checks_template;
use crate::setups::reloading::reloading;

const REVISION: &str = "description rollcall-";
const REVISION_DIGITS: usize = 16;
const SERVER: &str = "\n    server ";

/// A running HAProxy and the parts of its file.
#[derive(Debug)]
pub struct ChangingConfig {
    balancer: Balancer,
    /// The file up to the end of its servers, and what comes after them.
    halves: [String; 2],
    /// The lines of servers that may join.
    spare: Vec<String>,
    names: u64,
    revisions: u64,
    // The last field, because dropping it ends all processes of the run.
    run: Arc<Run>,
}

impl ChangingConfig {
    /// Starts HAProxy with `count` servers; `spare` more may join.
    pub fn start(count: usize, spare: usize) -> Result<ChangingConfig> {
        let (run, net) = (Arc::new(Run::new()?), Subnet::claim()?);
        let mut balancer = Balancer::new(Arc::clone(&run), net.next_host())?;
        balancer.set_env("ROLLCALL_TEMPLATE", rare_checks_template::template(&run)?);
        NodeRecords::fill(&balancer.nodes_dir(), count + spare)?;
        balancer.start_haproxy(Mode::MasterSocket)?;
        let path = balancer.config();
        let text = fs::read_to_string(&path).map_err(system("read", &path))?;
        let (halves, spare) =
            parts(&text, spare).ok_or_else(|| Error::Unfit("no servers in it".to_owned()))?;
        let mut swap = ChangingConfig { balancer, halves, spare, names: 0, revisions: 0, run };
        // HAProxy was started with the spare servers too.
        swap.leave()?;
        swap.reloading("master")?.time(None)?;
        Ok(swap)
    }

    /// Replaces the file by one with all spare servers under new names.
    pub fn join(&mut self) -> Result<()> {
        self.names += 1;
        self.put("")
    }

    /// Replaces the file by one with the same servers, the spare ones at other addresses.
    pub fn relocate(&mut self) -> Result<()> {
        self.put("127.201.")
    }

    /// Replaces the file by one without the spare servers.
    pub fn leave(&mut self) -> Result<()> {
        self.write("")
    }

    /// Writes the file with the spare servers. Unless `beginning` is empty, their addresses begin with it.
    fn put(&mut self, beginning: &str) -> Result<()> {
        let name = format!("{SERVER}n{}-", self.names);
        let lines: String = self.spare.iter().map(|line| line.replace(SERVER, &name)).collect();
        self.write(&if beginning.is_empty() { lines } else { lines.replace("127.200.", beginning) })
    }

    fn write(&mut self, servers: &str) -> Result<()> {
        self.revisions += 1;
        let [head, tail] = &self.halves;
        let revision = format!("{REVISION}{:0width$x}", self.revisions, width = REVISION_DIGITS);
        let text = format!("{head}{servers}{tail}").replace(REVISION, &revision);
        let path = self.balancer.config();
        replace(&path, text.as_bytes(), 0o644).map_err(system("write", &path))
    }

    /// The process that serves requests.
    pub fn worker(&self) -> Result<u32> {
        self.balancer.haproxy()?.worker_pid()
    }

    /// Runs reload-haproxy with this method.
    pub fn reloading(&self, method: &str) -> Result<TimedRun> {
        reloading(&self.balancer, &self.run, method)
    }

    /// How long reload-haproxy takes for the current file, without a reload.
    pub fn change(&self) -> Result<Duration> {
        let before = self.worker()?;
        let took = self.reloading("runtime")?.time(None)?;
        // reload-haproxy has logged the reload, but then the figure would be that of a reload.
        if self.worker()? == before { Ok(took) } else { Err(Error::Unfit("it was reloaded".to_owned())) }
    }

    /// How long reload-haproxy takes for the current file, with a reload.
    pub fn reload(&self) -> Result<Duration> {
        self.reloading("master")?.time(None)
    }
}

/// Splits a file: the text up to the end of its servers and the text after them, without the digits of its revision
/// and without the last `spare` servers; and the lines of those servers.
fn parts(text: &str, spare: usize) -> Option<([String; 2], Vec<String>)> {
    let at = text.find(REVISION)? + REVISION.len();
    let text = [text.get(..at)?, text.get(at + REVISION_DIGITS..)?].concat();
    let first = text.rmatch_indices(SERVER).nth(spare.checked_sub(1)?)?.0;
    let last = text.rfind(SERVER)?;
    let end = last + 1 + text[last + 1..].find('\n')?;
    let lines = text[first..end].split_inclusive('\n').skip(1);
    let lines = lines.map(|line| format!("\n{}", line.trim_end_matches('\n'))).collect();
    Some(([text[..first].to_owned(), text[end..].to_owned()], lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_apart_at_its_last_servers() {
        let text = "global\n    description rollcall-0123456789abcdef\nbackend b\n    server s1 a\n    \
                    server s2 b\n    server s3 c\n\nfrontend f\n";
        let (halves, spare) = parts(text, 2).unwrap();
        assert_eq!(halves[0], "global\n    description rollcall-\nbackend b\n    server s1 a");
        assert_eq!(halves[1], "\n\nfrontend f\n");
        assert_eq!(spare, ["\n    server s2 b", "\n    server s3 c"]);
        assert_eq!(parts("global\n", 1), None);
    }
}
