//! The beginning and the end of every program: its command line, its time limit, its log and its exit code.
//!
//! clap ends a program before the program has opened its log, and Serf discards what clap prints. So this module finds
//! the path of the log in the arguments that clap has rejected, and logs wrong usage there.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::failure::{Code, Failure};
use crate::messages::{MessageArgs, Messages};
use crate::time_limit::TimeLimit;

/// Runs `work` with the arguments of the process, under its time limit, and reports a failure. Returns the exit code.
/// `options` are those that all programs have.
pub fn run<A: Parser>(
    program: &'static str,
    options: fn(&A) -> (&TimeLimit, &MessageArgs),
    work: impl FnOnce(A, &mut Messages) -> Result<(), Failure>,
) -> ExitCode {
    let args: A = match parse(program) {
        Ok(args) => args,
        Err(code) => return code,
    };
    let (time_limit, logs) = options(&args);
    time_limit.start(program, logs);
    let mut messages = Messages::open(program, logs);
    let result = work(args, &mut messages);
    messages.exit_code(result)
}

/// Parses the arguments of the process for `program`. If the program must end instead, returns its exit code: 0 after
/// `--help` or `--version`, and 2 after wrong usage, which is printed and logged.
pub fn parse<A: Parser>(program: &'static str) -> Result<A, ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    A::try_parse_from(&arguments).map_err(|err| {
        // A closed stderr must not hide the exit code.
        let _ = err.print();
        if !err.use_stderr() {
            return ExitCode::SUCCESS;
        }
        let mut messages = Messages::open(program, &message_args(&arguments));
        messages.log_fault(&Failure::new(Code::Usage, one_line(&err.to_string())));
        ExitCode::from(Code::Usage as u8)
    })
}

/// The message options among arguments that clap has rejected.
fn message_args(arguments: &[OsString]) -> MessageArgs {
    let (log, log_state) = (value("--log", arguments), value("--log-state", arguments));
    MessageArgs { verbose: false, log, log_state }
}

/// The value of `option`, written as `--log FILE` or `--log=FILE`.
fn value(option: &str, arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    let joined = format!("{option}=");
    while let Some(argument) = arguments.next() {
        if argument == option {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(value) = argument.to_str().and_then(|argument| argument.strip_prefix(&joined)) {
            return Some(value.into());
        }
    }
    None
}

/// The first paragraph of clap's message, as one line.
fn one_line(message: &str) -> String {
    let paragraph = message.lines().map(str::trim).take_while(|line| !line.is_empty());
    let line = paragraph.collect::<Vec<_>>().join(" ");
    format!("called wrongly: {}", line.strip_prefix("error: ").unwrap_or(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(arguments: &[&str]) -> Option<PathBuf> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        message_args(&arguments).log
    }

    #[test]
    fn the_log_is_found_in_both_forms_and_only_among_options() {
        assert_eq!(log(&["p", "--wrong", "--log", "/a b"]), Some("/a b".into()));
        assert_eq!(log(&["p", "--log=/a=b", "--wrong"]), Some("/a=b".into()));
        for none in
            [&["p", "--log-state", "/a"][..], &["p", "--", "--log", "/a"], &["p", "--log"], &["--log", "a"]]
        {
            assert_eq!(log(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_message_of_several_lines_becomes_one() {
        let message =
            "error: these arguments were not provided:\n  --template <FILE>\n  <NAME>\n\nUsage: p\n";
        assert_eq!(
            one_line(message),
            "called wrongly: these arguments were not provided: --template <FILE> <NAME>"
        );
    }
}
