//! Writes a file of the state directory.

use std::io;
use std::path::Path;

use common::failure::{Code, Failure};
use common::replace::Staged;

/// Replaces a file. It need not outlive a reboot, because the worker does not either, so it is not synced.
pub(super) fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let put = Staged::write(path, bytes, mode).and_then(Staged::rename);
    put.map_err(|err| cannot_write(path, &err))
}

/// The failure of a write.
pub(super) fn cannot_write(path: &Path, err: &io::Error) -> Failure {
    Failure::new(Code::Files, format!("cannot write '{}': {err}", path.display()))
}
