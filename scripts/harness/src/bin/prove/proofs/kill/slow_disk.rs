//! A slow disk: strace holds each call that writes for 20 ms, which works on every machine and leaves time for a kill
//! between any two calls.

use std::path::Path;
use std::process::Command;

use harness::Result;
use harness::run::programs;

/// The calls that change a disk.
const WRITING: &str = "write,fsync,fdatasync,syncfs,rename,unlink,fchmod,ftruncate";
/// How long each of them takes here, in microseconds.
const TIME: u32 = 20_000;

/// A command of a program; on a slow disk, strace holds what it writes.
pub fn program(path: &Path, is_slow: bool) -> Result<Command> {
    if !is_slow {
        return Ok(Command::new(path));
    }
    let mut command = Command::new(programs::find("strace")?);
    // What is not traced is not held.
    let held = [format!("trace={WRITING}"), format!("inject={WRITING}:delay_enter={TIME}")];
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &held[0], "-e", &held[1], "--"]).arg(path);
    Ok(command)
}
