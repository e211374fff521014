//! The program. Its code is in the library beside it, so that scripts/prove can simulate the decision.

use std::process::ExitCode;

fn main() -> ExitCode {
    autoscale::main()
}
