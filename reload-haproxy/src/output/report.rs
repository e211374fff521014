//! What a run did, for programs: one JSON object on a line for each thing that it did.

use std::io::{self, Write};

use common::failure::{Code, Failure};
use serde::Serialize;

use crate::config::file::Config;
use crate::files::change::Change;
use crate::haproxy::instance::Worker;
use crate::servers::change::{Action, Change as ServerChange, Changes};
use crate::state::note::Parked;

/// What was done.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The configuration file.
    config: String,
    action: Outcome,
    /// Whether it was only printed and not done.
    is_dry_run: bool,
    /// The reload method.
    method: Option<String>,
    /// Why it was done, or how it is known that there was nothing to do.
    reason: String,
    /// The worker that serves.
    worker: Option<i32>,
    servers: Vec<ServerReport>,
    /// Files that the configuration names and that were changed without a reload.
    files: Vec<FileReport>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Nothing,
    Runtime,
    Reload,
}

/// What was done with a file.
#[derive(Debug, Serialize)]
struct FileReport {
    file: String,
    kind: String,
    action: &'static str,
}

impl FileReport {
    fn new(change: &Change) -> FileReport {
        let action = match change {
            Change::Replace(_) => "replace",
            Change::Restore(_) => "restore",
            Change::Add { .. } => "add",
            Change::Remove { .. } => "remove",
        };
        FileReport { file: change.file().0.to_owned(), kind: change.kind().to_string(), action }
    }
}

/// What was done with a server.
#[derive(Debug, Default, Serialize)]
struct ServerReport {
    /// As `backend/server`.
    server: String,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maxconn: Option<u32>,
}

impl Report {
    /// Nothing was done.
    pub(crate) fn nothing(config: &Config, how: &str, worker: Option<&Worker>) -> Report {
        Report::new(config, Outcome::Nothing, how, worker)
    }

    /// Servers were changed; those in `parked` that have left are not deleted.
    pub(crate) fn runtime(
        config: &Config,
        why: &str,
        worker: Option<&Worker>,
        found: &Changes,
        parked: &Parked,
    ) -> Report {
        let servers = found.changes.iter().map(|change| ServerReport::new(change, parked)).collect();
        Report { servers, ..Report::new(config, Outcome::Runtime, why, worker) }
    }

    /// Files that the configuration names were changed.
    pub(crate) fn files(config: &Config, why: &str, worker: Option<&Worker>, changes: &[Change]) -> Report {
        let files = changes.iter().map(FileReport::new).collect();
        Report { files, ..Report::new(config, Outcome::Runtime, why, worker) }
    }

    /// The file was loaded.
    pub(crate) fn reload(config: &Config, why: &str, worker: Option<&Worker>, method: &str) -> Report {
        Report { method: Some(method.to_owned()), ..Report::new(config, Outcome::Reload, why, worker) }
    }

    /// The same for a dry run.
    pub(crate) fn into_dry_run(self) -> Report {
        Report { is_dry_run: true, ..self }
    }

    fn new(config: &Config, action: Outcome, reason: &str, worker: Option<&Worker>) -> Report {
        Report {
            config: config.path.display().to_string(),
            action,
            is_dry_run: false,
            method: None,
            reason: reason.to_owned(),
            worker: worker.map(|worker| worker.pid),
            servers: Vec::new(),
            files: Vec::new(),
        }
    }
}

impl ServerReport {
    fn new(change: &ServerChange, parked: &Parked) -> ServerReport {
        let server = change.key();
        let (action, settings) = match &change.action {
            Action::Add { settings, .. } => ("add", Some(settings)),
            Action::Return { settings } => ("return", Some(settings)),
            Action::Move { settings } => ("move", Some(settings)),
            Action::Tune { weight, maxconn } => {
                let (weight, maxconn) = (*weight, *maxconn);
                return ServerReport { server, action: "tune", weight, maxconn, address: None };
            }
            Action::Disable { .. } => ("disable", None),
            Action::Remove { .. } if parked.contains_key(&server) => ("park", None),
            Action::Remove { .. } => ("remove", None),
        };
        ServerReport {
            server,
            action,
            address: settings.map(|settings| settings.endpoint.to_string()),
            weight: settings.map(|settings| settings.weight),
            maxconn: settings.map(|settings| settings.maxconn),
        }
    }
}

/// Writes to stdout.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|err| Failure::new(Code::Files, format!("cannot write 'stdout': {err}")))
}
