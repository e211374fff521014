//! The program. Its code is in the library beside it.

fn main() -> std::process::ExitCode {
    autoscale::apply::main()
}
