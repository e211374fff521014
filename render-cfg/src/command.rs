//! Runs the command of `--check`, `--then` or `--on-failure`, without a shell and with a time limit.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use common::command::{self, Outcome};

/// A service manager sets these for this program alone. A HAProxy that a command starts must not use them.
const OURS_ALONE: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// `ended with exit code 1`
    pub(crate) why: String,
    /// Whether it ended by itself, with an exit code. Otherwise it could not be run, or was killed.
    pub(crate) is_verdict: bool,
    /// Whether it could not be run.
    pub(crate) is_not_run: bool,
}

/// Splits a command line into words, at least one, as a shell does; for clap.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let words = shell_words::split(text).map_err(|err| err.to_string())?;
    if words.is_empty() { Err("it is empty".to_owned()) } else { Ok(words) }
}

/// Runs `words` (at least one) for at most `timeout` and does `work` meanwhile. `option` is the option that sets the
/// timeout. Returns the output, and the reason if the command failed.
pub(crate) fn run(
    words: &[String],
    timeout: Duration,
    option: &str,
    work: impl FnOnce(),
) -> (String, Option<Trouble>) {
    judged(command::run_beside(&mut prepared(words), timeout, work), timeout, option)
}

/// The command of `words` (at least one), not started.
pub(crate) fn prepared(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    for key in OURS_ALONE {
        command.env_remove(key);
    }
    command
}

/// The output of a command that has run for at most `timeout`, and the reason if it failed.
pub(crate) fn judged(
    ended: io::Result<Outcome>,
    timeout: Duration,
    option: &str,
) -> (String, Option<Trouble>) {
    let trouble = |why, is_verdict| Some(Trouble { why, is_verdict, is_not_run: false });
    match ended {
        Ok(Outcome { status: Some(status), words }) if status.success() => (words, None),
        Ok(Outcome { status: Some(status), words }) => {
            (words, trouble(format!("ended with {}", shown_status(status)), status.code().is_some()))
        }
        Ok(Outcome { status: None, words }) => {
            let why = format!("took too long: it was killed after {timeout:?}; see {option}");
            (words, trouble(why, false))
        }
        Err(err) => {
            let why = format!("cannot be run: {err}");
            (String::new(), Some(Trouble { why, is_verdict: false, is_not_run: true }))
        }
    }
}

fn shown_status(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => status.to_string(),
    }
}
