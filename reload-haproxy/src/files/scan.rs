//! Scans the files that the configuration names, and compares them with what the worker has loaded.

use std::time::SystemTime;

use crate::config::file::Config;
use crate::files::changes::{FileChanges, Since, changes};
use crate::files::find::find;
use crate::haproxy::instance::{Instance, Worker};
use crate::haproxy::places::Places;
use crate::haproxy::proc::wall_clock;
use crate::state::loaded_files::LoadedFiles;

/// The files of one configuration, and where they are.
pub(crate) struct Scan<'a> {
    config: &'a Config,
    pub(crate) places: Places<'a>,
}

impl<'a> Scan<'a> {
    /// For the configuration that `instance` runs.
    pub(crate) fn new(config: &'a Config, instance: &'a Instance) -> Scan<'a> {
        let default_path = &config.facts.files.default_path;
        Scan { config, places: Places::new(default_path, &config.path, instance.main.as_ref()) }
    }

    /// The files as they are now. `old` is what an earlier scan found.
    pub(crate) fn find(&self, old: Option<&LoadedFiles>) -> LoadedFiles {
        find(&self.config.facts.files, &self.places, old, SystemTime::now())
    }

    /// What has changed since `worker` loaded them; `old` is what it is known to have loaded.
    pub(crate) fn changes(&self, worker: &Worker, old: Option<&LoadedFiles>) -> FileChanges {
        let since = Since { pid: worker.pid, born: wall_clock(worker.birth) };
        changes(self.find(old), old, &self.config.facts.files.written, since)
    }
}
