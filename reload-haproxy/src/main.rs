//! The program. Its code is in the library beside it, so that scripts/fuzzing can call the decision.

use std::process::ExitCode;

fn main() -> ExitCode {
    reload_haproxy::main()
}
