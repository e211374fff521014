//! The part of render-cfg that others use: scripts/fuzzing tests the escaping. The rest belongs to the program.

pub mod escape;
