//! What runs have done, counted since the state directory was made: for `--metrics`.
//!
//! A counter has the value of one label. `counter_file` keeps them.

use std::collections::BTreeMap;

use common::failure::Code;
use serde::{Deserialize, Serialize};

use crate::config::files::named::FileKind;

/// The name under which this program counts its own faults.
pub(crate) const OWN_NAME: &str = "reload-haproxy";

/// What a run changes. A new kind needs a row in docs/metrics.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// Servers, through the stats socket.
    Servers,
    /// A certificate, in a list or directory too.
    Certificate,
    /// A `ca-file`.
    Authorities,
    /// A `crl-file`.
    Revocations,
    /// The entries of a map.
    Map,
    /// The patterns of an `acl`.
    List,
    /// Everything: the file was loaded.
    Reload,
}

impl ChangeKind {
    /// All kinds, because a counter is best known from 0 on.
    pub(crate) const ALL: [ChangeKind; 7] = [
        ChangeKind::Servers,
        ChangeKind::Certificate,
        ChangeKind::Authorities,
        ChangeKind::Revocations,
        ChangeKind::Map,
        ChangeKind::List,
        ChangeKind::Reload,
    ];

    /// The kind of a change of a file, if HAProxy can take such a file while it runs.
    pub(crate) fn of_file(kind: FileKind) -> Option<ChangeKind> {
        match kind {
            FileKind::Certificate | FileKind::CertificateList => Some(ChangeKind::Certificate),
            FileKind::Authorities => Some(ChangeKind::Authorities),
            FileKind::Revocations => Some(ChangeKind::Revocations),
            FileKind::Map => Some(ChangeKind::Map),
            FileKind::Acl => Some(ChangeKind::List),
            FileKind::DefaultCertificate | FileKind::Other => None,
        }
    }

    /// The value of its label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ChangeKind::Servers => "servers",
            ChangeKind::Certificate => "certificate",
            ChangeKind::Authorities => "ca_file",
            ChangeKind::Revocations => "crl_file",
            ChangeKind::Map => "map",
            ChangeKind::List => "list",
            ChangeKind::Reload => "reload",
        }
    }
}

/// What has kept a file from being loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `haproxy -c`.
    Check,
    /// The checks that follow it.
    Preflight,
    /// HAProxy itself, or the proof that did not come.
    Reload,
    /// A file that the configuration names: HAProxy or this program rejected it.
    File,
}

impl Stage {
    /// All stages, in their order.
    pub(crate) const ALL: [Stage; 4] = [Stage::Check, Stage::Preflight, Stage::Reload, Stage::File];

    /// The value of its label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Stage::Check => "check",
            Stage::Preflight => "preflight",
            Stage::Reload => "reload",
            Stage::File => "file",
        }
    }
}

type Counts = BTreeMap<String, u64>;

/// Counters, each by the value of a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counters {
    /// What was changed, by kind.
    pub(crate) changes: Counts,
    /// Reloads, by the class of their reason.
    pub(crate) reloads: Counts,
    /// Files that were not loaded, by stage.
    pub(crate) refusals: Counts,
    /// How programs have failed, by program and exit code. A program that has only succeeded is in it, too.
    pub(crate) faults: BTreeMap<String, BTreeMap<u8, u64>>,
}

impl Counters {
    /// Counts a change.
    pub(crate) fn change(&mut self, kind: ChangeKind) {
        add(&mut self.changes, kind.name(), 1);
    }

    /// Counts a reload for a reason of this class.
    pub(crate) fn reload(&mut self, class: &str) {
        self.change(ChangeKind::Reload);
        add(&mut self.reloads, class, 1);
    }

    /// Counts a file that was not loaded.
    pub(crate) fn refusal(&mut self, stage: Stage) {
        add(&mut self.refusals, stage.name(), 1);
    }

    /// Counts how a program has ended. No program of ours has an exit code above 7: a signal has ended it, or it could
    /// not be started.
    pub(crate) fn end(&mut self, program: &str, code: u8) {
        let codes = self.faults.entry(program.to_owned()).or_default();
        match code {
            0 => {}
            1..=7 => *codes.entry(code).or_default() += 1,
            _ => *codes.entry(Code::Unforeseen as u8).or_default() += 1,
        }
    }

    /// Adds what another one has counted.
    pub(crate) fn add(&mut self, other: &Counters) {
        let pairs = [
            (&mut self.changes, &other.changes),
            (&mut self.reloads, &other.reloads),
            (&mut self.refusals, &other.refusals),
        ];
        for (all, more) in pairs {
            more.iter().for_each(|(name, count)| add(all, name, *count));
        }
        for (program, codes) in &other.faults {
            let all = self.faults.entry(program.clone()).or_default();
            codes.iter().for_each(|(code, count)| *all.entry(*code).or_default() += count);
        }
    }
}

fn add(counts: &mut Counts, name: &str, count: u64) {
    *counts.entry(name.to_owned()).or_default() += count;
}
