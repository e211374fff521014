//! The mark that server changes are under way: a line in the lock's file.
//!
//! Only the run that holds the lock writes it, so it need not be replaced as a whole, which takes longer than some changes.
//! The line names the worker of the note: for another worker nothing is under way. A line that was cut off marks nothing,
//! and then no command was sent yet.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use common::regular_file;

use crate::state::note::Note;

/// A line is shorter.
const LINE_MAX: u64 = 128;

fn line(note: &Note) -> String {
    format!("changing {} {}\n", note.pid, note.birth)
}

/// Marks that the servers of the note's worker are being changed.
pub(super) fn mark(lock: &File, note: &Note) -> io::Result<()> {
    let line = line(note);
    lock.write_all_at(line.as_bytes(), 0)?;
    // A killed run may have left a longer one, about another worker.
    lock.set_len(line.len() as u64)
}

/// Removes the mark.
pub(super) fn clear(lock: &File) -> io::Result<()> {
    // Mostly there is none, and a change of the size is a change of the file's time.
    if lock.metadata()?.len() == 0 { Ok(()) } else { lock.set_len(0) }
}

/// Whether the file at `path` marks that the servers of the note's worker are being changed.
pub(super) fn is_marked(path: &Path, note: &Note) -> bool {
    regular_file::read(path, LINE_MAX).is_ok_and(|bytes| bytes == line(note).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_for_the_worker_of_the_note_until_it_is_removed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let note = |pid| Note { pid, birth: 50, ..Note::default() };
        clear(file.as_file()).unwrap();
        assert!(!is_marked(file.path(), &note(7)));
        mark(file.as_file(), &note(1234)).unwrap();
        mark(file.as_file(), &note(7)).unwrap();
        assert!(is_marked(file.path(), &note(7)) && !is_marked(file.path(), &note(8)));
        clear(file.as_file()).unwrap();
        assert!(!is_marked(file.path(), &note(7)));
    }
}
