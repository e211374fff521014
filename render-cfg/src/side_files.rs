//! The files that a text names and that are written beside the output: `{{ text | file(name="routes.map") }}`.
//!
//! The name contains a hash of the content, so a file never changes. An old `haproxy.cfg` keeps the files that it was
//! checked with, also when it is put back after a failed reload, and both change at once.

use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

/// How long a file is kept after the last text that named it. The last good `haproxy.cfg` may name it longer than the
/// current one does, if reloads fail.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// The number of hexadecimal digits in a name.
const DIGITS: usize = 16;

/// A file beside the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SideFile {
    /// Its path as the text has it.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The files of a text, shared between the filter and its template.
#[derive(Clone, Debug)]
pub(crate) struct SideFiles {
    /// The absolute path of the output, without symlinks. `None` if the text is printed: the files are then not written.
    output: Option<PathBuf>,
    files: Arc<Mutex<Vec<SideFile>>>,
}

impl SideFiles {
    /// The files of a text for this output.
    pub(crate) fn of(output: Option<&Path>) -> SideFiles {
        // Without a working directory there is no absolute path, and no relative one either.
        let absolute = |output: &Path| path::absolute(output).unwrap_or_else(|_| output.to_owned());
        SideFiles { output: output.map(absolute), files: Arc::default() }
    }

    /// Whether both are beside the same output.
    pub(crate) fn is_for_the_output_of(&self, other: &SideFiles) -> bool {
        self.output == other.output
    }

    /// Forgets the last render.
    pub(crate) fn reset(&self) {
        self.lock().clear();
    }

    /// Removes and returns the files.
    pub(crate) fn take(&self) -> Vec<SideFile> {
        std::mem::take(&mut self.lock())
    }

    /// Adds a file and returns its path. `name` is `STEM.ENDING`.
    pub(crate) fn add(&self, name: &str, text: &str) -> PathBuf {
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "txt"));
        let name = format!("{stem}-{}.{ending}", hash(text.as_bytes()));
        let path = match &self.output {
            None => PathBuf::from(name),
            Some(output) => {
                let own = output.file_name().unwrap_or_default().to_string_lossy();
                output.with_file_name(format!("{own}.{name}"))
            }
        };
        let file = SideFile { path: path.clone(), text: text.to_owned() };
        let mut files = self.lock();
        if !files.contains(&file) {
            files.push(file);
        }
        path
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SideFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of the hash of a content.
fn hash(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    hash.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the file has this content.
pub(crate) fn is_there(file: &SideFile) -> bool {
    common::regular_file::read(&file.path, file.text.len() as u64)
        .is_ok_and(|bytes| bytes == file.text.as_bytes())
}

/// Removes the files of `output` that no text has named for a week. A file that `old` names and `new` does not was in use
/// until now. A file of another program has a name without the hash of its content, and is kept.
pub(crate) fn tidy(output: &Path, old: &str, new: &str) -> io::Result<()> {
    let Some((directory, own)) = output.parent().zip(output.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(());
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let now = SystemTime::now();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| is_of(own, name)) else { continue };
        if new.contains(name) || !entry.file_type()?.is_file() {
            continue;
        }
        if old.contains(name) {
            fs::File::open(entry.path())?.set_modified(now)?;
            continue;
        }
        let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
        if age > KEPT && has_its_hash(&entry.path(), name)? {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether the name of the file contains the hash of its content.
fn has_its_hash(path: &Path, name: &str) -> io::Result<bool> {
    Ok(name.contains(&format!("-{}.", hash(&fs::read(path)?))))
}

/// Whether a file of this name may have been written for the output `own`: `OWN.STEM-HASH.ENDING`.
fn is_of(own: &str, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(own).and_then(|rest| rest.strip_prefix('.')) else { return false };
    let Some((stem, ending)) = rest.rsplit_once('.') else { return false };
    let Some((stem, hash)) = stem.rsplit_once('-') else { return false };
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    // With a dot it would be that of an output with a longer name.
    !stem.is_empty()
        && !stem.contains('.')
        && !ending.is_empty()
        && hash.len() == DIGITS
        && hash.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_were_made_here_are_removed() {
        for (name, is_ours) in [
            ("haproxy.cfg.routes-0123456789abcdef.map", true),
            ("haproxy.cfg.a-b-0123456789abcdef.map", true),
            ("haproxy.cfg.routes-0123456789ABCDEF.map", false),
            ("haproxy.cfg.routes-0123.map", false),
            ("haproxy.cfg.-0123456789abcdef.map", false),
            ("haproxy.cfg-0123456789abcdef.map", false),
            ("other.cfg.routes-0123456789abcdef.map", false),
            ("haproxy.cfg.new.routes-0123456789abcdef.map", false),
            ("haproxy.cfg", false),
        ] {
            assert_eq!(is_of("haproxy.cfg", name), is_ours, "{name}");
        }
    }

    #[test]
    fn a_file_is_kept_for_a_week_after_the_last_text_that_named_it() {
        let directory = std::env::temp_dir().join(format!("side-files-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let output = directory.join("haproxy.cfg");
        let files = SideFiles::of(Some(&output));
        let write = |text: &str, days: u64| {
            let path = files.add("routes.map", text);
            common::replace::replace(&path, text.as_bytes(), 0o644).unwrap();
            let then = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
            fs::File::open(&path).unwrap().set_modified(then).unwrap();
            path
        };
        let (new, left, late, old) = (write("new", 9), write("left", 9), write("late", 6), write("old", 8));
        tidy(&output, &format!("x {}", left.display()), &format!("y {}", new.display())).unwrap();
        let there = [&new, &left, &late, &old].map(|path| path.exists());
        let foreign = output.with_file_name("haproxy.cfg.bak-1732783980123456.gz");
        common::replace::replace(&foreign, b"x", 0o644).unwrap();
        fs::File::open(&foreign).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        tidy(&output, "", "").unwrap();
        let is_foreign_kept = foreign.exists();
        let later = [&new, &left, &late, &old].map(|path| path.exists());
        fs::remove_dir_all(&directory).unwrap();
        assert!(is_foreign_kept);
        assert_eq!(there, [true, true, true, false]);
        assert_eq!(later, [false, true, true, false], "what was in use until now is kept for a week");
    }
}
