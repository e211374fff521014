//! One change of a file that HAProxy can take while it runs, and how it is logged.

use std::fmt::{self, Display};

use common::failure::Code;

use crate::config::files::named::FileKind;
use crate::state::loaded_files::Item;

/// A change that HAProxy can take while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The content of a file.
    Replace(Item),
    /// The entries of a map or a list that was changed at the socket: the file has not changed.
    Restore(Item),
    /// A certificate that is new in a list or a directory. `line` is the list's line.
    Add { list: String, line: String, certificate: Item },
    /// A certificate that is gone from a list or a directory, which line `number` of the configuration names.
    Remove { list: String, name: String, number: usize },
}

/// A file that HAProxy must not load now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) code: Code,
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) why: String,
}

impl Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bad { path, line, why, .. } = self;
        write!(
            f,
            "cannot load '{path}', which line {line} names: {why}; HAProxy keeps what it has loaded, and the next \
             run tries again"
        )
    }
}

impl Change {
    /// What the change is about.
    pub(crate) fn kind(&self) -> FileKind {
        match self {
            Change::Replace(item) | Change::Restore(item) => item.kind,
            Change::Add { .. } | Change::Remove { .. } => FileKind::Certificate,
        }
    }

    /// Whether both are the same change to the same contents. Stamps are not compared: that of a new file is noted only
    /// when it is settled.
    pub(crate) fn is_same_as(&self, other: &Change) -> bool {
        match (self, other) {
            (Change::Replace(one), Change::Replace(other))
            | (Change::Restore(one), Change::Restore(other)) => one.holds_the_same(other),
            (
                Change::Add { list, line, certificate },
                Change::Add { list: other_list, line: other_line, certificate: other },
            ) => (list, line) == (other_list, other_line) && certificate.holds_the_same(other),
            _ => self == other,
        }
    }

    /// The line for the log after the change.
    pub(crate) fn done(&self) -> String {
        let (file, _) = self.file();
        match self {
            Change::Replace(item) | Change::Restore(item) => format!("{} '{file}' replaced", item.kind),
            Change::Add { list, .. } => format!("certificate '{file}' added to '{list}'"),
            Change::Remove { list, .. } => format!("certificate '{file}' removed from '{list}'"),
        }
    }

    /// Whether it adds this certificate.
    pub(crate) fn adds(&self, item: &Item) -> bool {
        matches!(self, Change::Add { certificate, .. } if certificate == item)
    }

    /// The file, and the line of the configuration that names it.
    pub(crate) fn file(&self) -> (&str, usize) {
        match self {
            Change::Replace(item) | Change::Restore(item) | Change::Add { certificate: item, .. } => {
                (&item.name, item.line)
            }
            Change::Remove { name, number, .. } => (name, *number),
        }
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = self.file();
        match self {
            Change::Replace(_) => write!(f, "{file}, which line {line} names, has changed"),
            Change::Restore(_) => write!(f, "HAProxy's entries differ from {file}, which line {line} names"),
            Change::Add { list, .. } => write!(f, "{file} is new in {list}, which line {line} names"),
            Change::Remove { list, .. } => write!(f, "{file} is gone from {list}, which line {line} names"),
        }
    }
}
