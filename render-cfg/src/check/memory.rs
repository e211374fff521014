//! What was checked last, kept in the file of `--check-changes` from one run to the next.
//!
//! It describes the output as the last run left it. After anything unexpected (another text in the output, another
//! HAProxy, a damaged or missing file, a clock that was set back) nothing is known, and the next run checks the whole
//! text, also if nothing has changed.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use common::regular_file;
use common::replace::Staged;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::excerpt::excerpt;

/// How long one excerpt after the other may be checked, in seconds after the last whole check.
const EXCERPTS_MAX: u64 = 60;
/// How long after the check of an excerpt the next run checks the whole text, in seconds, also if nothing has changed.
/// Until then the next change may be near, and would have to wait.
const QUIET: u64 = 10;
/// The most bytes that are read of the file. A note is shorter.
const NOTE_MAX: u64 = 4096;
/// How each note begins.
const NOTE_BEGIN: &[u8] = br#"{"text":""#;

/// The note of the last check, and where it is kept.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    /// Identifies the command and the files that it names.
    check: String,
    note: Option<Note>,
    now: u64,
}

/// What is known of the text in the output.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// The hash of the text.
    text: String,
    /// As in `Memory`.
    check: String,
    /// When the text was checked, and when a text was last checked as a whole, in seconds since 1970.
    at: u64,
    whole_at: u64,
    /// Whether the text was checked as a whole.
    is_whole: bool,
}

impl Memory {
    /// Reads the file at `path`. `words` are those of the check.
    pub(crate) fn open(path: &Path, words: &[String]) -> Memory {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let check = identity(words);
        let is_valid = |note: &Note| note.check == check && note.whole_at <= note.at && note.at <= now;
        let note = read(path).ok().filter(is_valid).filter(|_| may_be_part(words));
        Memory { path: path.to_owned(), check, note, now }
    }

    /// The excerpt of `new` that has to be checked if `old` is in the output; `None` if all of it has to be.
    pub(crate) fn excerpt(&self, old: Option<&[u8]>, new: &str) -> Option<String> {
        let is_recent = |note: &Note| self.now - note.whole_at < EXCERPTS_MAX && self.is_settled(note);
        let note = self.note.as_ref().filter(|note| note.is_whole || is_recent(note))?;
        let old = old.filter(|old| *old != new.as_bytes() && hash(old) == note.text)?;
        excerpt(std::str::from_utf8(old).ok()?, new)
    }

    /// Whether the whole of `text`, which is in the output, has to be checked now.
    pub(crate) fn is_whole_check_due(&self, text: &str) -> bool {
        let is_of_it = |note: &&Note| self.is_settled(note) && note.text == hash(text.as_bytes());
        self.note.as_ref().is_none_or(|note| !is_of_it(&note))
    }

    /// Whether the text of the note was checked as a whole, or need not be yet.
    fn is_settled(&self, note: &Note) -> bool {
        note.is_whole || self.now - note.at < QUIET
    }

    /// Keeps that `text` has passed the check, as a whole or by its excerpt.
    pub(crate) fn remember(&self, text: &str, is_whole: bool) -> io::Result<()> {
        let before = self.note.as_ref().map_or(0, |note| note.whole_at);
        let note = Note {
            text: hash(text.as_bytes()),
            check: self.check.clone(),
            at: self.now,
            whole_at: if is_whole { self.now } else { before },
            is_whole,
        };
        if !is_a_note(&self.path)? {
            return Err(io::Error::other("it holds something else; name a file of its own"));
        }
        // Not synced: without it, the next run checks everything.
        Staged::write(&self.path, &serde_json::to_vec(&note)?, 0o640)?.rename()
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn read(path: &Path) -> io::Result<Note> {
    Ok(serde_json::from_slice(&begin(path)?)?)
}

/// The content of a file, as far as a note would fill it.
fn begin(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    regular_file::open(path)?.take(NOTE_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether nothing is lost if the file is replaced: it is missing, or a note, or the beginning of one.
fn is_a_note(path: &Path) -> io::Result<bool> {
    match begin(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(true),
        bytes => bytes.map(|bytes| {
            let is_cut_off = NOTE_BEGIN.starts_with(&bytes) || bytes.starts_with(NOTE_BEGIN);
            is_cut_off || serde_json::from_slice::<Note>(&bytes).is_ok()
        }),
    }
}

fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Whether the check may be given an excerpt. With `-dW` each warning counts, also one about two servers, and a directory
/// among its words may have other files each time.
fn may_be_part(words: &[String]) -> bool {
    !words.iter().any(|word| word == "-dW" || Path::new(word).is_dir())
}

/// The words, and what identifies the files among them: after an upgrade of HAProxy nothing was checked.
fn identity(words: &[String]) -> String {
    let mut hash = Sha256::new();
    let program = words.first().map(|name| found(name));
    for (word, path) in words.iter().zip(program.into_iter().chain(words.iter().skip(1).map(PathBuf::from))) {
        let file = fs::metadata(path).ok().filter(fs::Metadata::is_file);
        let file = file.map(|it| (it.dev(), it.ino(), it.size(), it.mtime(), it.mtime_nsec()));
        hash.update(format!("{word:?} {file:?}\n"));
    }
    format!("{:x}", hash.finalize())
}

/// The path of a program, which may be in the `PATH`.
fn found(name: &str) -> PathBuf {
    let directories = env::var_os("PATH").filter(|_| !name.contains('/'));
    let mut paths = directories.iter().flat_map(env::split_paths).map(|directory| directory.join(name));
    paths.find(|path| path.is_file()).unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text with a line that changes.
    fn text(port: u16) -> String {
        let servers: String = (0..300).map(|i| format!("    server s{i} 10.0.0.1:80\n")).collect();
        format!("backend b\n{servers}    server last 10.0.0.1:{port}\n")
    }

    /// A memory `after` seconds, once the text with port 80 was checked.
    fn later(after: i64, is_whole: bool, words: [&str; 2]) -> Memory {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("checked");
        let first = Memory::open(&path, &["true".to_owned(), "{}".to_owned()]);
        first.remember(&text(80), true).unwrap();
        let first = Memory::open(&path, &["true".to_owned(), "{}".to_owned()]);
        first.remember(&text(80), is_whole).unwrap();
        let mut memory = Memory::open(&path, &words.map(str::to_owned));
        memory.now = memory.now.checked_add_signed(after).unwrap();
        memory
    }

    #[test]
    fn a_text_has_an_excerpt_only_if_the_old_one_was_checked_by_the_same_command_not_long_ago() {
        let same = ["true", "{}"];
        let excerpt = |memory: &Memory, old: &str| memory.excerpt(Some(old.as_bytes()), &text(81)).is_some();
        assert!(excerpt(&later(59, true, same), &text(80)));
        assert!(excerpt(&later(9, false, same), &text(80)));
        assert!(!excerpt(&later(10, false, same), &text(80)));
        assert!(
            excerpt(&later(3600, true, same), &text(80)),
            "it was checked whole, and has not changed since"
        );
        assert!(!excerpt(&later(1, true, same), &text(82)));
        assert!(!excerpt(&later(1, true, ["true", "-f{}"]), &text(80)));
        assert!(!excerpt(&later(1, true, ["false", "{}"]), &text(80)));
        let written = ["true", "{}"].map(str::to_owned);
        assert!(
            may_be_part(&written) && !may_be_part(&["-dW".to_owned()]) && !may_be_part(&["/".to_owned()])
        );
        assert!(later(1, true, same).excerpt(None, &text(81)).is_none());
        assert!(later(1, true, same).excerpt(Some(text(80).as_bytes()), &text(80)).is_none());
    }

    #[test]
    fn a_whole_check_is_due_after_a_pause_once_an_excerpt_was_checked() {
        let same = ["true", "{}"];
        assert!(later(10, false, same).is_whole_check_due(&text(80)));
        assert!(!later(9, false, same).is_whole_check_due(&text(80)));
        assert!(!later(100, true, same).is_whole_check_due(&text(80)));
        // Nothing is known of these.
        assert!(later(1, true, same).is_whole_check_due(&text(81)));
        assert!(later(1, true, ["false", "{}"]).is_whole_check_due(&text(80)));
    }

    #[test]
    fn a_damaged_file_and_one_from_the_future_say_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("checked");
        let words = ["true".to_owned(), "{}".to_owned()];
        let mut first = Memory::open(&path, &words);
        first.now += 1000;
        first.remember(&text(80), true).unwrap();
        assert!(Memory::open(&path, &words).note.is_none());
        first.now -= 1000;
        first.remember(&text(80), true).unwrap();
        assert!(Memory::open(&path, &words).note.is_some());
        let whole = fs::read(&path).unwrap();
        common::replace::replace(&path, &whole[..whole.len() / 2], 0o600).unwrap();
        assert!(Memory::open(&path, &words).note.is_none());
        first.remember(&text(80), true).unwrap();
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Memory::open(&path, &words).note.is_none());
        assert!(first.remember(&text(80), true).is_err());
    }

    #[test]
    fn another_file_is_not_replaced() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("checked");
        for (text, is_free) in [
            ("", true),
            ("{\"te", true),
            ("{\"text\":\"12", true),
            ("{\"tls\":{}}", false),
            ("global\n", false),
        ] {
            common::replace::replace(&path, text.as_bytes(), 0o600).unwrap();
            assert_eq!(Memory::open(&path, &[]).remember("a", true).is_ok(), is_free, "{text}");
        }
    }
}
