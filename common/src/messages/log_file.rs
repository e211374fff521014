//! The file of `--log`: only appended to, so that several programs can share it and it can be rotated.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use nix::fcntl::OFlag;

/// Opens the log for appending; a new one has mode 0640.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut open = OpenOptions::new();
    // Opening a pipe without a reader must not block.
    open.append(true).create(true).mode(0o640).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

/// The length of the log; 0 for a pipe.
pub(super) fn length(log: &File) -> u64 {
    log.metadata().map_or(0, |metadata| metadata.len())
}

/// The line for a message, as it is in the log.
pub(super) fn entry(program: &str, message: &str) -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    format!("{now} {program}[{}]: {message}\n", std::process::id())
}
