//! The program. Its code is in the library beside it, so that scripts/manuals can describe its options.

use std::process::ExitCode;

fn main() -> ExitCode {
    render_cfg::main()
}
