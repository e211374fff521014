//! One run: its directory, its guardian, the processes that it starts, and how it waits.

mod guardian;

pub mod daemon;
pub mod error;
pub mod exposed;
pub mod poll;
pub mod process;
pub mod programs;
pub mod timer;

pub use guardian::{MARK, Run};
