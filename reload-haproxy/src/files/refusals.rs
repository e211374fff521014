//! Files that HAProxy must not load. A run reports them at its end, after it has done everything else.

use common::failure::{Code, Failure};

use crate::files::change::{Bad, Change};
use crate::files::changes::FileChanges;

/// Changes that HAProxy has refused in this run.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    changes: Vec<Change>,
    bad: Vec<Bad>,
    /// Why the reload that a file needs cannot be made. The other changes of this run do without one.
    rejected: Option<Failure>,
}

impl Refusals {
    /// A file that needs a reload is bad.
    pub(crate) fn reject(&mut self, failure: Failure) {
        self.rejected = Some(failure);
    }

    /// Whether a file that needs a reload is bad.
    pub(crate) fn have_rejected(&self) -> bool {
        self.rejected.is_some()
    }

    /// Whether nothing was refused, so that the run will succeed.
    pub(crate) fn are_none(&self) -> bool {
        self.bad.is_empty() && self.rejected.is_none()
    }

    /// Adds a change that HAProxy refused.
    pub(crate) fn add(&mut self, change: &Change, why: String) {
        let (path, line) = change.file();
        self.bad.push(Bad { code: Code::Haproxy, path: path.to_owned(), line, why });
        self.changes.push(change.clone());
    }

    /// Leaves a change out of later passes, although its file is not bad.
    pub(crate) fn skip(&mut self, change: &Change) {
        self.changes.push(change.clone());
    }

    /// The failure that names all files that are bad: these, and those in `unreadable`.
    pub(crate) fn failure(self, unreadable: &[Bad]) -> Option<Failure> {
        let mut bad: Vec<&Bad> = self.bad.iter().chain(unreadable).collect();
        // A refusal of HAProxy is the worse one.
        bad.sort_by_key(|bad| bad.code != Code::Haproxy);
        let mut lines = bad.iter().map(|bad| bad.to_string());
        if let Some(rejected) = self.rejected {
            return Some(rejected.with_more(lines));
        }
        let first = lines.next()?;
        Some(Failure::new(bad[0].code, first).with_more(lines))
    }
}

impl FileChanges {
    /// Removes the changes that were refused, unless the files have changed since, and those that need a reload that cannot
    /// be made.
    pub(crate) fn remove_refused(&mut self, refused: &Refusals) {
        let is_refused = |change: &Change| refused.changes.iter().any(|refused| refused.is_same_as(change));
        self.changes.retain(|change| !is_refused(change));
        if refused.have_rejected() {
            self.reloads.clear();
        }
    }
}
