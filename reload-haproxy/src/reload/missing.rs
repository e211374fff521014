//! What a start needs and does not have, as an operator reads it.
//!
//! Each case has its line in the file, except `chroot`, which a file has only once.

use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// A missing prerequisite, without which HAProxy would certainly fail to start.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Missing {
    #[error("line {line}: cannot bind {address}: {why}")]
    Address { line: usize, address: SocketAddr, why: &'static str },
    #[error("line {line}: cannot bind abns{name}: another program holds it")]
    Name { line: usize, name: String },
    #[error("line {line}: {keyword} {number} needs {wanted} open files, and HAProxy may have {most}")]
    Files { line: usize, keyword: &'static str, number: u64, wanted: u64, most: u64 },
    #[error("line {line}: its master has no right to become {kind} '{name}'")]
    Right { line: usize, kind: &'static str, name: String },
    #[error("its master has no right to chroot to '{}'", .0.display())]
    ChrootRight(PathBuf),
    #[error("its chroot '{}' is not a directory", .0.display())]
    Chroot(PathBuf),
    #[error("line {line}: '{path}' is missing where HAProxy runs")]
    File { line: usize, path: String },
    #[error("line {line}: its master has no right to read '{path}'")]
    FileRight { line: usize, path: String },
    #[error("line {line}: the directory of {kind} '{}' is missing", path.display())]
    Directory { line: usize, kind: &'static str, path: PathBuf },
    #[error("line {line}: '{}' is a directory, not a {kind}", path.display())]
    IsDirectory { line: usize, kind: &'static str, path: PathBuf },
}
