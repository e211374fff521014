//! Reads a file that the configuration names, unless its stamp is unchanged.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::regular_file;
use nix::unistd::geteuid;

use crate::state::digest::Digest;
use crate::state::loaded_files::{Part, Stamp};

/// A map of a million entries is smaller.
pub(crate) const FILE_MAX: u64 = 256 << 20;

/// The part with this role at `path`, as it is now. `old` is the same part as it was.
pub(crate) fn part(role: &str, path: PathBuf, old: Option<&Part>, now: SystemTime) -> Part {
    let metadata = fs::metadata(&path);
    part_with(metadata, role, path, old, now)
}

/// The same, if it was looked at already.
pub(crate) fn part_with(
    metadata: io::Result<Metadata>,
    role: &str,
    path: PathBuf,
    old: Option<&Part>,
    now: SystemTime,
) -> Part {
    let part = Part { role: role.to_owned(), path, ..Part::default() };
    let stamp = match metadata {
        Ok(metadata) => Stamp::of(&metadata),
        Err(err) => return Part { error: Some(explained(&err)), ..part },
    };
    if let Some(old) = old.filter(|old| old.stamp == Some(stamp)) {
        return Part { stamp: old.stamp, digest: old.digest, ..part };
    }
    match content(&part.path) {
        Ok((bytes, stamp)) => {
            let (stamp, unsettled) =
                if stamp.is_settled(now) { (Some(stamp), None) } else { (None, Some(stamp)) };
            Part { stamp, unsettled, digest: Some(Digest::of(&bytes)), ..part }
        }
        // HAProxy's master may have more rights than this program: such a file is known by its stamp alone.
        Err(err) if err.kind() == ErrorKind::PermissionDenied => {
            match old.filter(|old| old.unsettled == Some(stamp)) {
                Some(old) => Part { unsettled: old.unsettled, digest: old.digest, ..part },
                None => Part { stamp: Some(stamp), error: Some(explained(&err)), ..part },
            }
        }
        Err(err) => Part { error: Some(err.to_string()), ..part },
    }
}

/// Why a file cannot be read, and what to do if its reader has no right to.
fn explained(err: &io::Error) -> String {
    match geteuid() {
        user if err.kind() == ErrorKind::PermissionDenied && !user.is_root() => {
            format!("{err}: run this as root, or let user {user} read it")
        }
        _ => err.to_string(),
    }
}

/// The bytes of a file, and the stamp that it had before they were read.
pub(crate) fn content(path: &Path) -> io::Result<(Vec<u8>, Stamp)> {
    let stamp = Stamp::of(&fs::metadata(path)?);
    Ok((regular_file::read(path, FILE_MAX)?, stamp))
}
