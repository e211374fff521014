//! What is remembered about the files that the configuration names: what each held when HAProxy loaded it.
//!
//! A file is read again only if its stamp has changed, so an unchanged file costs one `stat`. Contents are kept as digests
//! only: there are private keys among them.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::config::files::named::FileKind;
use crate::haproxy::instance::Worker;
use crate::state::digest::Digest;
use crate::state::note::Note;

/// The times of a file are those of a clock that ticks up to every 10 ms. A file that has changed so shortly before it
/// was read may change again with the same times.
const GRAIN: Duration = Duration::from_millis(100);

/// The files that a worker has loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadedFiles {
    /// The worker, as in the note.
    pub(crate) pid: i32,
    pub(crate) birth: u64,
    /// Shared between what was found and what is loaded: most are the same.
    pub(crate) items: Vec<Rc<Item>>,
    /// When large maps and lists were last compared with HAProxy's, in seconds since 1970.
    pub(crate) compared: u64,
    /// The directories of certificates, and those with files beside one.
    pub(crate) directories: BTreeMap<PathBuf, Stamp>,
}

/// A file that the configuration names, with the files that HAProxy loads together with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) kind: FileKind,
    /// Its name on HAProxy's socket.
    pub(crate) name: String,
    /// The line that names it, now.
    #[serde(skip)]
    pub(crate) line: usize,
    /// The other lines that do, now.
    #[serde(skip)]
    pub(crate) more_lines: Vec<usize>,
    pub(crate) parts: Vec<Part>,
    /// The certificates of a list or a directory: the lines of the list, or names.
    pub(crate) entries: Vec<String>,
}

/// One of the files of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Empty for the file itself; otherwise `key`, `ocsp`, `issuer` or `sctl`.
    pub(crate) role: String,
    /// Its path for this program, now.
    #[serde(skip)]
    pub(crate) path: PathBuf,
    /// What it held is known as long as it has this stamp.
    pub(crate) stamp: Option<Stamp>,
    /// Its stamp if it was read so shortly after a change that it may have changed again with the same times. That is
    /// enough for a user who cannot read it.
    pub(crate) unsettled: Option<Stamp>,
    /// The digest of its bytes; `None` if they could not be read.
    pub(crate) digest: Option<Digest>,
    /// Why it could not be read, now.
    #[serde(skip)]
    pub(crate) error: Option<String>,
}

/// Device, inode, size, and the times of the last changes of its content and of anything, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp(u64, u64, u64, i64, i64);

/// Begins the file. Another layout needs another number.
const FORMAT: &[u8] = b"rollcall files 3\n";

impl LoadedFiles {
    /// Reads them from the bytes of a file; `None` if it is not one of these.
    pub(crate) fn parse(bytes: &[u8]) -> Option<LoadedFiles> {
        postcard::from_bytes(bytes.strip_prefix(FORMAT)?).ok()
    }

    /// The bytes of their file; none if the path of a directory is not valid UTF-8, so that nothing is remembered.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        postcard::to_extend(self, FORMAT.to_vec()).unwrap_or_default()
    }

    /// The same files, loaded by this worker.
    pub(crate) fn of(self, worker: &Worker) -> LoadedFiles {
        let birth = u64::try_from(worker.birth.as_millis()).unwrap_or(u64::MAX);
        LoadedFiles { pid: worker.pid, birth, ..self }
    }

    /// Whether it has other items or directories than `found`.
    pub(crate) fn has_other_names(&self, found: &LoadedFiles) -> bool {
        self.items.len() != found.items.len() || self.directories != found.directories
    }

    /// Whether both are the same files with the same contents.
    pub(crate) fn holds_the_same(&self, other: &LoadedFiles) -> bool {
        fn contents(files: &LoadedFiles) -> impl Iterator<Item = (&PathBuf, Option<Digest>, Option<Stamp>)> {
            let parts = files.items.iter().flat_map(|item| &item.parts);
            // A file that cannot be read is known by its stamp.
            parts.map(|part| (&part.path, part.digest, part.stamp.filter(|_| part.digest.is_none())))
        }
        contents(self).eq(contents(other))
    }

    /// Whether they are those of this worker.
    pub(crate) fn is_about(&self, worker: &Worker) -> bool {
        Note { pid: self.pid, birth: self.birth, ..Note::default() }.is_about(worker)
    }
}

impl Item {
    /// Whether both leave the same in the state directory.
    pub(crate) fn is_remembered_as(&self, other: &Item) -> bool {
        let parts = self.parts.iter().zip(&other.parts);
        let is_same = |(one, other): (&Part, &Part)| {
            let stamps = |part: &Part| (part.stamp, part.unsettled);
            one.role == other.role && stamps(one) == stamps(other) && one.digest == other.digest
        };
        self.parts.len() == other.parts.len()
            && self.entries == other.entries
            && parts.into_iter().all(is_same)
    }

    /// The same item if it is not known what HAProxy has loaded.
    pub(crate) fn unknown(&self) -> Item {
        let part = |part: &Part| Part {
            stamp: None,
            unsettled: None,
            digest: Some(Digest::UNKNOWN),
            ..part.clone()
        };
        Item { parts: self.parts.iter().map(part).collect(), ..self.clone() }
    }

    /// Whether both are the same file with the same content.
    pub(crate) fn holds_the_same(&self, other: &Item) -> bool {
        fn contents(item: &Item) -> impl Iterator<Item = (&String, Option<Digest>)> {
            item.parts.iter().map(|part| (&part.role, part.digest))
        }
        let is_named_the_same = (self.kind, &self.name) == (other.kind, &other.name);
        is_named_the_same && self.entries == other.entries && contents(self).eq(contents(other))
    }

    /// How many bytes its files have, as far as their stamps count.
    pub(crate) fn size(&self) -> u64 {
        self.parts.iter().filter_map(|part| part.stamp).map(Stamp::size).sum()
    }

    /// Whether one line names both.
    pub(crate) fn shares_a_line_with(&self, other: &Item) -> bool {
        let lines =
            |item: &Item| std::iter::once(item.line).chain(item.more_lines.clone()).collect::<Vec<_>>();
        let others = lines(other);
        lines(self).iter().any(|line| others.contains(line))
    }

    /// The certificate of one of its entries.
    pub(crate) fn file_of<'e>(&self, entry: &'e str) -> &'e str {
        // A directory has no file of its own, and its entries are names.
        if self.parts.is_empty() { entry } else { entry.split(' ').next().unwrap_or_default() }
    }
}

impl Stamp {
    /// The size of the file, in bytes.
    pub(crate) fn size(self) -> u64 {
        self.2
    }

    pub(crate) fn of(metadata: &Metadata) -> Stamp {
        let time =
            |seconds: i64, nanoseconds: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds);
        Stamp(
            metadata.dev(),
            metadata.ino(),
            metadata.size(),
            time(metadata.mtime(), metadata.mtime_nsec()),
            time(metadata.ctime(), metadata.ctime_nsec()),
        )
    }

    /// When anything about the file last changed.
    pub(crate) fn changed(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(self.4).unwrap_or(0))
    }

    /// Whether a change after `now` would give the file another stamp.
    pub(crate) fn is_settled(self, now: SystemTime) -> bool {
        self.changed() + GRAIN < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_other_bytes_are_not() {
        let part =
            Part { stamp: Some(Stamp(1, 2, 3, -4, 5)), digest: Some(Digest::of(b"d")), ..Part::default() };
        let item = Item {
            kind: FileKind::Map,
            name: "/m".to_owned(),
            line: 0,
            more_lines: vec![],
            parts: vec![part],
            entries: vec![],
        };
        let files = LoadedFiles { pid: 7, items: vec![Rc::new(item)], ..LoadedFiles::default() };
        let bytes = files.bytes();
        assert_eq!(LoadedFiles::parse(&bytes), Some(files));
        assert_eq!(LoadedFiles::parse(&bytes[..bytes.len() - 1]), None);
        assert_eq!(LoadedFiles::parse(b"{}"), None);
    }
}
