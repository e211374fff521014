//! The program; all of it is in the library beside it, where scripts/fuzzing can try what it decides.

use std::process::ExitCode;

fn main() -> ExitCode {
    reload_haproxy::main()
}
