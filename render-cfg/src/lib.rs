//! What of render-cfg stands alone and is tried from outside, by scripts/fuzzing too. The rest is the program's.

pub mod escape;
