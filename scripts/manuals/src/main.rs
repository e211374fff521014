//! manuals: writes the man pages and the completions of all programs, for scripts/package.
//!
//! The options come from the programs' own command lines, and the text from the manuals, so nothing is written twice.
//! `pages` lists the pages. `markdown` turns a manual into roff, and `options` adds the options that it leaves out.
//! `completions` come from clap. `setup` is the command line of rollcall-setup, which is a script.

mod completions;
mod inlines;
mod links;
mod markdown;
mod options;
mod pages;
mod setup;
mod tables;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, Parser};
use common::replace::Staged;

/// Write the man pages and completions of Rollcall below a directory, as usr/share/man and so on
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The directory; it is created if it does not exist
    directory: PathBuf,
    /// The date of the pages
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: String,
}

/// A file that is installed: its path below the root, and its text.
type File = (String, String);

fn main() -> ExitCode {
    let args = Args::parse();
    for (path, text) in pages::all(&args.date).into_iter().chain(completions::all()) {
        let path = args.directory.join(path);
        if let Err(err) = write(&path, &text) {
            eprintln!("manuals: cannot write '{}': {err}", path.display());
            return ExitCode::from(4);
        }
    }
    ExitCode::SUCCESS
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    Staged::write(path, text.as_bytes(), 0o644)?.rename()
}

/// The command lines, with the options that clap adds.
fn commands() -> [Command; 7] {
    [
        member_join::command(),
        member_leave::command(),
        render_cfg::command(),
        reload_haproxy::command(),
        autoscale::command(),
        autoscale::apply::command(),
        setup::command(),
    ]
    .map(|mut command| {
        command.build();
        command
    })
}
