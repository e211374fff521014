//! The options that a manual does not describe, such as --help, as clap describes them. So no option is missing from a
//! page.

use clap::{Arg, Command};
use clap_mangen::Man;

/// The entries for the arguments of `command` whose names are not among `described`, as roff without a heading.
pub(crate) fn others(command: &Command, described: &[String]) -> String {
    let is_described = |argument: &&Arg| described.iter().any(|term| is_for(argument, term));
    let others =
        command.get_arguments().filter(|argument| !argument.is_hide_set() && !is_described(argument));
    let reduced = Command::new("program")
        .version("0")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(others.cloned());
    let mut text = Vec::new();
    Man::new(reduced).render_options_section(&mut text).expect("writing to memory does not fail");
    String::from_utf8(text).expect("clap writes the text of its own strings").replace(".SH OPTIONS\n", "")
}

/// Whether a term of a manual, such as `--nodes DIR`, stands for `argument`.
fn is_for(argument: &Arg, term: &str) -> bool {
    let word = term.split([' ', '=']).next().unwrap_or_default();
    argument.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long))
}
