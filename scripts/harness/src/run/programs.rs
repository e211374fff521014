//! The paths of the programs: those of this workspace, the shipped scripts, and the installed ones.
//!
//! The workspace's programs are those in the directory of the running program, so a debug test runs debug programs,
//! and the demo runs the programs that were built with it. `$ROLLCALL_BIN` names another directory.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::error::{Error, Result, system};

/// The four programs of this workspace.
pub const OURS: [&str; 4] = ["member-join", "member-leave", "render-cfg", "reload-haproxy"];

/// The programs that must be installed.
pub const SYSTEM: [&str; 3] = ["haproxy", "serf", "node"];

/// The workspace: `$ROLLCALL_ROOT`, or where this library was built.
pub fn root() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = env::var_os("ROLLCALL_ROOT").map_or_else(built, PathBuf::from);
    root.canonicalize().unwrap_or(root)
}

/// A file of the workspace, by its path from the root.
pub fn shipped(path: &str) -> PathBuf {
    root().join(path)
}

/// The directory of the workspace's programs; an error if one of the four is missing.
pub fn bin_dir() -> Result<PathBuf> {
    let beside = || {
        let mut directory = env::current_exe().unwrap_or_default();
        directory.pop();
        if directory.ends_with("deps") {
            directory.pop();
        }
        directory
    };
    let directory = env::var_os("ROLLCALL_BIN").map_or_else(beside, PathBuf::from);
    match OURS.iter().find(|program| !directory.join(program).is_file()) {
        None => Ok(directory),
        Some(program) => {
            let hint = format!("build it into '{}' (cargo build) or set ROLLCALL_BIN", directory.display());
            Err(Error::Missing { program: (*program).to_owned(), hint })
        }
    }
}

/// The full path of an installed program: on PATH, or where Debian keeps daemons.
pub fn find(program: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut candidates = env::split_paths(&path).chain(daemons).map(|directory| directory.join(program));
    let missing = || Error::Missing { program: program.to_owned(), hint: "install it".to_owned() };
    candidates.find(|candidate| candidate.is_file()).ok_or_else(missing)
}

/// Copies a program that is to be run. `cp` does it, because a file that is open for writing cannot be run, and a process
/// that another thread starts at that moment has this one's open files for a while.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut copy = Command::new("cp");
    copy.arg(from).arg(to);
    let output = copy.output().map_err(system("run", "cp"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Command { command: format!("{copy:?}"), status: output.status.to_string(), output: text })
}

/// True if everything that a test of the whole chain needs is installed. If not, the test fails where `$CI` is set,
/// and is skipped elsewhere with a message on stderr.
pub fn are_all_here() -> bool {
    are_here(&SYSTEM)
}

/// The same for these programs.
pub fn are_here(programs: &[&str]) -> bool {
    match programs.iter().find_map(|program| find(program).err()) {
        None => true,
        Some(err) if env::var_os("CI").is_some() => panic!("{err}"),
        Some(err) => {
            eprintln!("SKIPPED: {err}");
            false
        }
    }
}
