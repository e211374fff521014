//! A slow disk: strace delays each call that writes by 20 ms. That works on every machine, and leaves time for a kill
//! between any two calls.

use std::path::Path;
use std::process::Command;

use harness::Result;
use harness::run::programs;

/// The calls that change a disk.
const WRITING: &str = "write,fsync,fdatasync,syncfs,rename,unlink,fchmod,ftruncate";
/// The delay of each of these calls, in microseconds.
const TIME: u32 = 20_000;

/// A command for a program. On a slow disk, it runs under strace.
pub fn program(path: &Path, is_slow: bool) -> Result<Command> {
    if !is_slow {
        return Ok(Command::new(path));
    }
    let mut command = Command::new(programs::find("strace")?);
    // strace delays only the calls that it traces.
    let held = [format!("trace={WRITING}"), format!("inject={WRITING}:delay_enter={TIME}")];
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &held[0], "-e", &held[1], "--"]).arg(path);
    Ok(command)
}
