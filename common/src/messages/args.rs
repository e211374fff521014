//! The message options, which are the same in all programs.

use std::path::PathBuf;

use clap::Args;

/// The message options that all programs take.
#[derive(Args, Clone, Debug, Default)]
pub struct MessageArgs {
    /// Print what was done, on stderr
    #[arg(short, long)]
    pub verbose: bool,
    /// Append all messages to FILE too, because Serf discards the output of its handlers
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Remember in FILE what was logged: an error that lasts is logged again only after an hour, and its end is logged
    #[arg(long, value_name = "FILE", requires = "log")]
    pub log_state: Option<PathBuf>,
}
