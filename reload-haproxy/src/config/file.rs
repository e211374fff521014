//! The configuration file as it was at one moment.
//!
//! It is read once in a run, and everything is decided on these bytes. If the file changes meanwhile, that is
//! found by reading it again.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::failure::{Code, Failure};
use common::regular_file;

use crate::config::content::{Flaw, fingerprint, flaw, text};
use crate::config::facts::{ConfigFacts, facts};

/// A file of a million servers is smaller.
pub(crate) const CONFIG_MAX: u64 = 256 << 20;

/// A configuration file as it was at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Its path, symlinks resolved.
    pub(crate) path: PathBuf,
    /// Its content.
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of its bytes, in hexadecimal, once `fingerprint` was asked for.
    pub(crate) hash: OnceCell<String>,
    /// When its name or content last changed.
    pub(crate) changed: SystemTime,
    /// Its contents, as far as they matter.
    pub(crate) facts: ConfigFacts,
}

impl Config {
    /// The path with its symlinks resolved: one file has one such path, which names its lock.
    pub(crate) fn resolve(path: &Path) -> Result<PathBuf, Failure> {
        fs::canonicalize(path).map_err(refusal(path))
    }

    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Config, Failure> {
        let refuse = refusal(path);
        let resolved = Config::resolve(path)?;
        let file = regular_file::open(&resolved).map_err(refuse)?;
        let metadata = file.metadata().map_err(refuse)?;
        // One byte more, so that the last read finds the end.
        let size = usize::try_from(metadata.len().min(CONFIG_MAX)).unwrap_or(0);
        let mut bytes = Vec::with_capacity(size.saturating_add(1));
        file.take(CONFIG_MAX).read_to_end(&mut bytes).map_err(refuse)?;
        Ok(Config {
            path: resolved,
            hash: OnceCell::new(),
            changed: SystemTime::UNIX_EPOCH + Duration::new(seconds(&metadata), nanoseconds(&metadata)),
            facts: facts(&text(&bytes)),
            bytes,
        })
    }

    /// Its content as text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        text(&self.bytes)
    }

    /// SHA-256 of its bytes, in hexadecimal. It is computed when it is first needed, while HAProxy writes an answer.
    pub(crate) fn fingerprint(&self) -> &str {
        self.hash.get_or_init(|| fingerprint(&self.bytes))
    }

    /// What HAProxy rejects in any file.
    pub(crate) fn flaw(&self) -> Option<Flaw> {
        flaw(&self.bytes)
    }

    /// Whether the file has other bytes now. False if it cannot be read.
    pub(crate) fn is_outdated(&self) -> bool {
        let now = regular_file::open(&self.path);
        now.and_then(|now| self.differs(now.take(CONFIG_MAX))).unwrap_or(false)
    }

    /// Compares what is read piece by piece: memory for a second copy of a large file costs more than reading it.
    pub(crate) fn differs(&self, mut now: impl Read) -> io::Result<bool> {
        let mut rest = &self.bytes[..];
        let mut buffer = vec![0; 64 << 10];
        loop {
            match now.read(&mut buffer) {
                Ok(0) => return Ok(!rest.is_empty()),
                Ok(count) => match rest.strip_prefix(&buffer[..count]) {
                    Some(after) => rest = after,
                    None => return Ok(true),
                },
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
    }
}

#[cfg(test)]
impl Config {
    /// A configuration of these facts, last changed at `changed`.
    pub(crate) fn with(facts: ConfigFacts, changed: SystemTime) -> Config {
        Config { path: "/c".into(), bytes: Vec::new(), hash: "f".to_owned().into(), changed, facts }
    }
}

fn refusal(path: &Path) -> impl Fn(io::Error) -> Failure + Copy {
    move |err| Failure::new(Code::Files, format!("cannot read '{}': {err}", path.display()))
}

fn seconds(metadata: &fs::Metadata) -> u64 {
    u64::try_from(metadata.ctime()).unwrap_or(0)
}

fn nanoseconds(metadata: &fs::Metadata) -> u32 {
    u32::try_from(metadata.ctime_nsec()).unwrap_or(0)
}
