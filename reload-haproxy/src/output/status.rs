//! What runs, for people and for programs: `--status`, with `--json` as one object.
//!
//! Everything is read from HAProxy now, except what the note has: server changes since the last reload.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::SystemTime;

use serde::Serialize;

use common::servers_state::{Row, State};

use crate::config::content::revision;
use crate::config::file::Config;
use crate::decision::{Decided, Decision};
use crate::files::changes::FileChanges;
use crate::haproxy::instance::{Instance, Worker};
use crate::haproxy::proc::wall_clock;
use crate::haproxy::version::Version;
use crate::state::note::Parked;

/// What runs.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// The configuration file.
    config: String,
    /// The revision in the file.
    revision: Option<String>,
    pub(super) worker: Option<Serving>,
    /// How often the master has reloaded since it started, and how often it has failed since the last
    /// success; `None` without a master's socket.
    reloads: Option<u32>,
    failed_reloads: Option<u32>,
    /// How many servers are in each state, by backend.
    pub(super) servers: BTreeMap<String, BTreeMap<State, usize>>,
    /// How many files the configuration names.
    files: usize,
    /// Which of them differ from what the worker has loaded, and how.
    different_files: Vec<String>,
    /// Whether the worker runs the file.
    pub(super) is_up_to_date: bool,
    /// What is different, or how it is known that nothing is.
    reason: String,
}

/// The worker that serves.
#[derive(Debug, Serialize)]
pub(super) struct Serving {
    pid: i32,
    version: Option<Version>,
    /// RFC 3339, in UTC.
    since: String,
    /// The revision that it was loaded with; its servers may have been changed since.
    revision: Option<String>,
}

impl Status {
    /// Builds the status.
    pub(crate) fn new(
        config: &Config,
        instance: &Instance,
        worker: Option<&Worker>,
        rows: &[Row],
        parked: &Parked,
        files: &FileChanges,
        decision: &Decided,
    ) -> Status {
        let processes = instance.processes();
        let different_files = files.differences();
        let (is_up_to_date, reason) = match (decision, different_files.first()) {
            // A file that cannot be read.
            (Decision::Nothing(_), Some(different)) => (false, different.clone()),
            (Decision::Nothing(how), None) => (true, how.clone()),
            (Decision::Servers(_, why) | Decision::Files(why), _) => (false, why.clone()),
            (Decision::Reload(why), _) => (false, why.to_string()),
        };
        Status {
            config: config.path.display().to_string(),
            revision: config.facts.revision.clone(),
            worker: worker.map(Serving::new),
            reloads: processes.as_ref().and_then(|processes| processes.reloads),
            failed_reloads: processes.as_ref().and_then(|processes| processes.failed),
            servers: count(rows, parked),
            files: files.found.items.len(),
            different_files,
            is_up_to_date,
            reason,
        }
    }

    /// Fails with the difference if the worker does not run the file.
    pub(crate) fn verdict(&self) -> Result<(), &str> {
        if self.is_up_to_date { Ok(()) } else { Err(&self.reason) }
    }
}

impl Serving {
    fn new(worker: &Worker) -> Serving {
        let since = wall_clock(worker.birth).min(SystemTime::now());
        Serving {
            pid: worker.pid,
            version: worker.version,
            since: humantime::format_rfc3339_seconds(since).to_string(),
            revision: worker.description.as_deref().and_then(revision),
        }
    }
}

fn count(rows: &[Row], parked: &Parked) -> BTreeMap<String, BTreeMap<State, usize>> {
    let mut servers: BTreeMap<String, BTreeMap<State, usize>> = BTreeMap::new();
    // Up to 2.2 the master's own workers are among them.
    for row in rows.iter().filter(|row| row.backend != "MASTER") {
        let state = match row.state() {
            State::Maint if parked.contains_key(&row.key()) => State::Parked,
            state => state,
        };
        *servers.entry(row.backend.to_owned()).or_default().entry(state).or_default() += 1;
    }
    servers
}

impl Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = || "no revision".to_owned();
        writeln!(f, "file       {}, {}", self.config, self.revision.clone().unwrap_or_else(unknown))?;
        match &self.worker {
            None => writeln!(f, "worker     none that reports what it runs")?,
            Some(worker) => {
                let version =
                    worker.version.map_or_else(String::new, |version| format!(" of HAProxy {version}"));
                let loaded = worker.revision.clone().unwrap_or_else(unknown);
                writeln!(
                    f,
                    "worker     {}{version}, since {}, loaded with {loaded}",
                    worker.pid, worker.since
                )?;
            }
        }
        if let Some(reloads) = self.reloads {
            let failed = self.failed_reloads.filter(|failed| *failed > 0);
            let failed = failed.map_or_else(String::new, |failed| format!(", {failed} failed since"));
            writeln!(f, "reloads    {reloads} since its master started{failed}")?;
        }
        for (backend, states) in &self.servers {
            let counts: Vec<String> =
                states.iter().map(|(state, count)| format!("{count} {state}")).collect();
            writeln!(f, "servers    {backend}: {}", counts.join(", "))?;
        }
        if self.files > 0 {
            let different = self.different_files.len();
            writeln!(f, "files      {} named, {different} of them different", self.files)?;
        }
        for line in &self.different_files {
            writeln!(f, "           {line}")?;
        }
        let verdict = if self.is_up_to_date { "yes" } else { "no" };
        writeln!(f, "same       {verdict}: {}", self.reason)
    }
}
