//! The command line of a process that takes over from one without a master.
//!
//! HAProxy's `-sf PID` asks the predecessor to finish. Every predecessor must be named: one that is not
//! keeps listening beside its successors and serves an old configuration for ever.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::haproxy::process::Process;

/// The arguments of a successor of `predecessors`, which gets their listeners through the socket `exporter`,
/// if there is one. `own` are the arguments that say what it runs.
pub(crate) fn arguments(
    own: Vec<OsString>,
    predecessors: &[i32],
    exporter: Option<&PathBuf>,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-D".into()];
    if let Some(path) = exporter {
        arguments.extend(["-x".into(), path.into()]);
    }
    arguments.push("-sf".into());
    arguments.extend(predecessors.iter().map(|pid| pid.to_string().into()));
    // After `--` everything is a file, so these come last.
    arguments.extend(own);
    arguments
}

/// What a process was started with, without its own `-D`, `-sf`, `-st` and `-x`.
pub(crate) fn like(main: &Process) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut old = main.arguments.iter().skip(1).peekable();
    while let Some(argument) = old.next() {
        match argument.to_str() {
            Some("-sf" | "-st") => while old.next_if(|word| is_pid(word)).is_some() {},
            Some("-x") => drop(old.next()),
            Some("-db" | "-D") => {}
            Some("--") => arguments.extend(std::iter::once(argument).chain(old.by_ref()).cloned()),
            _ => arguments.push(argument.clone()),
        }
    }
    arguments
}

/// The arguments to replace a process that is not trusted: only the file and the pid file.
pub(crate) fn plain(config: &Path, pid_file: Option<PathBuf>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-f".into(), config.into()];
    if let Some(path) = pid_file {
        arguments.extend(["-p".into(), path.into()]);
    }
    arguments
}

fn is_pid(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| word.parse::<i32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_successor_is_started_like_its_predecessor_and_names_all_of_them() {
        let words =
            ["haproxy", "-D", "-p", "/run/p", "-f", "/c", "-x", "/old", "-sf", "1", "2", "-q", "--", "-D"];
        let main = Process {
            pid: 9,
            parent: 1,
            birth: Duration::ZERO,
            users: [0, 0],
            arguments: words.map(OsString::from).to_vec(),
        };
        let successor = arguments(like(&main), &[5, 9], Some(&"/run/a.sock".into()));
        let words: Vec<_> = successor.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words.join(" "), "-D -x /run/a.sock -sf 5 9 -p /run/p -f /c -q -- -D");
    }

    #[test]
    fn the_arguments_of_an_untrusted_process_are_not_used() {
        let words = plain(Path::new("/c"), Some("/run/p".into()));
        assert_eq!(words, ["-f", "/c", "-p", "/run/p"]);
    }
}
