//! The version of the next worker. An upgrade may have replaced the program since the running worker was started.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::command;

use crate::haproxy::instance::Instance;
use crate::haproxy::version::Version;

/// How long `haproxy -v` may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The version of HAProxy's program, or of the running worker if the program cannot be run from here. This starts a
/// process, so call it only if the version matters.
pub(crate) fn next_version(instance: &Instance) -> Option<Version> {
    let program = instance.main.as_ref().and_then(|main| main.program());
    program.and_then(|program| version_of(&program)).or_else(|| instance.worker()?.version)
}

fn version_of(program: &Path) -> Option<Version> {
    parse(&command::run(Command::new(program).arg("-v"), PATIENCE).ok()?.words)
}

/// `HAProxy version 2.6.12-1 2026/10/17 - https://haproxy.org/`, or `HA-Proxy version ...`.
fn parse(words: &str) -> Option<Version> {
    let (_, rest) = words.split_once("roxy version ")?;
    Version::parse(rest.split_whitespace().next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read() {
        let is_strict = |words| parse(words).map(Version::is_strict);
        assert_eq!(
            is_strict("HAProxy version 3.0.11-1+deb13u3 2026/05/20 - https://haproxy.org/"),
            Some(true)
        );
        assert_eq!(is_strict("HA-Proxy version 1.8.19-1 2019/02/11\n"), Some(false));
        assert_eq!(is_strict("sh: not found"), None);
    }
}
