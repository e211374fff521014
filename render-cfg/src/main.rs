//! The program. Its code is in the library beside it, so that scripts/manuals can describe its options.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Cargo.toml says why.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    render_cfg::main()
}
