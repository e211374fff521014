//! The files that a configuration names, and how it names them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::config::files::settings::{Bases, DefaultPath, ExtraFiles, Store};
use crate::config::lines::Line;
use crate::config::words::Word;

/// What HAProxy does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum FileKind {
    /// A certificate, a directory of certificates, or the common beginning of a bundle's names.
    Certificate,
    /// A `crt-list`.
    CertificateList,
    /// A `ca-file`.
    Authorities,
    /// A `crl-file`.
    Revocations,
    Map,
    /// The patterns of an `acl`.
    Acl,
    /// A file that only a reload can load.
    Other,
    /// A certificate that is a `default-crt`. Only a reload can load it, because its place among the others for unknown
    /// names would change.
    DefaultCertificate,
}

impl Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Certificate | FileKind::DefaultCertificate => "certificate",
            FileKind::CertificateList => "certificate list",
            FileKind::Authorities => "CA file",
            FileKind::Revocations => "CRL file",
            FileKind::Map => "map",
            FileKind::Acl => "list",
            FileKind::Other => "file",
        })
    }
}

/// A file that a line of the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedFile {
    pub(crate) kind: FileKind,
    /// Its name, as HAProxy's socket has it.
    pub(crate) name: String,
    /// Its path, as it is written or joined to a base.
    pub(crate) path: String,
    /// Files that belong to the same certificate (`key`, `ocsp`, ...), if a `crt-store` names them.
    pub(crate) beside: Vec<(&'static str, String)>,
    /// The first line that names it.
    pub(crate) line: usize,
    /// The other lines that do.
    pub(crate) more_lines: Vec<usize>,
    /// Whether HAProxy may do without the file: the line is within `.if`, or the name begins with `opt@`.
    pub(crate) is_conditional: bool,
}

/// All files that a configuration names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamedFiles {
    /// In the order of their lines, each once.
    pub(crate) files: Vec<NamedFile>,
    /// Names that contain a variable, which only HAProxy can resolve, with their lines.
    pub(crate) unresolved: Vec<(usize, String)>,
    /// Maps and lists that the configuration itself changes at run time (`set-map`, `add-acl`, ...).
    pub(crate) written: BTreeSet<String>,
    /// The last `default-crt` of each line that has one.
    pub(crate) defaults: BTreeMap<usize, String>,
    pub(crate) bases: Bases,
    /// Which files beside a certificate are loaded with it.
    pub(crate) extra: ExtraFiles,
    pub(crate) default_path: DefaultPath,
    /// The `crt-store` that is being read.
    pub(super) store: Store,
    /// The place of each file in `files`.
    pub(super) seen: BTreeMap<(FileKind, String), usize>,
}

impl NamedFiles {
    /// Adds a file that `word` names.
    pub(super) fn add(&mut self, kind: FileKind, name: String, word: &Word, line: &Line) {
        // A literal dollar is only taken for a variable in a word that has one.
        if word.has_variable && name.contains('$') {
            self.unresolved.push((line.number, name));
        } else if let Some(&place) = self.seen.get(&(kind, name.clone())) {
            self.files[place].more_lines.push(line.number);
        } else if !name.is_empty() {
            let (path, is_conditional) = (name.clone(), line.is_conditional);
            let (beside, more_lines) = (Vec::new(), Vec::new());
            self.push(NamedFile { kind, name, path, beside, line: line.number, more_lines, is_conditional });
        }
    }

    pub(super) fn push(&mut self, file: NamedFile) {
        self.seen.insert((file.kind, file.name.clone()), self.files.len());
        self.files.push(file);
    }
}
