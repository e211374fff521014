//! The Debian package and the release, made of the programs that are tested: scripts/package does the same with a
//! release build.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod built;
mod contents;
mod manuals;
mod release;
