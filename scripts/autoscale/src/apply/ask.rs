//! Asks the engine for its count, and `autoscale` for the number and for the servers.

use std::io;
use std::process::ExitStatus;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use common::command::{Kept, Limits, Outcome, run_gently};
use common::failure::{Code, Failure};
use serde::Deserialize;

use super::decision::victim::Server;
use super::running::GRACE;
use super::setup::settings::Settings;
use super::setup::words::Words;
use crate::args::MOST;

/// What is asked, and how.
pub(crate) struct Asker<'a> {
    pub(crate) settings: &'a Settings,
    /// The operator's options for `autoscale`.
    pub(crate) options: &'a [String],
    /// Options that are added unless the operator has given them.
    pub(crate) additions: Vec<(&'static str, String)>,
    pub(crate) is_interrupted: &'a AtomicBool,
}

/// The answer of `autoscale`.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its exit code. If that is not 0, the number may be too low.
    pub(crate) code: u8,
    /// The number, unless nothing is known.
    pub(crate) number: Option<Number>,
}

/// How many servers are wanted, and how many there are.
#[derive(Debug, Deserialize)]
pub(crate) struct Number {
    pub(crate) wanted: u32,
    pub(crate) count: u32,
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

impl Asker<'_> {
    /// How many servers the engine runs.
    pub(crate) fn count(&self, command: &Words) -> Result<u32, Failure> {
        let failed = |why: String| {
            Failure::new(Code::Unforeseen, format!("cannot count the servers: ROLLCALL_COUNT_COMMAND {why}"))
        };
        let limit = self.settings.step_timeout;
        let outcome = self.run(command, limit).map_err(|err| failed(format!("cannot be started: {err}")))?;
        let Some(status) = outcome.status else {
            return Err(failed(format!("did not end within {} s", limit.as_secs())));
        };
        if !status.success() {
            return Err(failed(format!("ended with {}", shown(status))));
        }
        let words = outcome.words.trim();
        // `autoscale` would refuse a larger one, and end as after wrong usage.
        let count = words.parse().ok().filter(|count| *count <= MOST);
        count.ok_or_else(|| failed(format!("printed '{words}' and not a number up to {MOST}")))
    }

    /// Runs `autoscale` for the number. It prints and logs its messages itself.
    pub(crate) fn number(&self, count: Option<u32>) -> Result<Answer, Failure> {
        let failed = |why: String| Failure::new(Code::Unforeseen, format!("cannot ask 'autoscale': {why}"));
        let additions = self.additions.iter().filter(|(name, _)| !self.is_given(name));
        let mut options = vec!["--json".to_owned()];
        options.extend(self.options.iter().cloned());
        options.extend(additions.flat_map(|(name, value)| [(*name).to_owned(), value.clone()]));
        options.extend(count.into_iter().flat_map(|count| ["--count".to_owned(), count.to_string()]));
        let limit = self.settings.step_timeout + GRACE;
        let outcome = self.run(&self.settings.autoscale.and(options), limit);
        let outcome = outcome.map_err(|err| failed(err.to_string()))?;
        let number = outcome.words.lines().find_map(number);
        let Some(status) = outcome.status else {
            return Err(failed(format!("it did not answer within {} s", limit.as_secs())));
        };
        match status.code().and_then(|code| u8::try_from(code).ok()) {
            Some(code) if number.is_some() => Ok(Answer { code, number }),
            Some(code @ 1..=7) => Ok(Answer { code, number }),
            _ => Err(failed(format!("it ended with {} and without a number", shown(status)))),
        }
    }

    /// The servers, fewest sessions first. `None` if not all balancers answer, which `number` has reported.
    pub(crate) fn servers(&self) -> Option<Vec<Server>> {
        let limit = self.settings.step_timeout;
        let mut options = vec!["--servers".to_owned(), "--time-limit".to_owned()];
        options.push(format!("{}s", limit.as_secs()));
        options.extend(about_servers(self.options));
        let outcome = self.run(&self.settings.autoscale.and(options), limit + GRACE).ok()?;
        outcome.status.filter(|status| status.success())?;
        outcome.words.lines().map(server).collect()
    }

    fn is_given(&self, name: &str) -> bool {
        self.options.iter().any(|option| self::name(option) == name)
    }

    fn run(&self, words: &Words, timeout: Duration) -> io::Result<Outcome> {
        let is_interrupted = self.is_interrupted;
        // The list of servers begins with those that matter.
        let limits = Limits { timeout, grace: GRACE, is_interrupted, keeps_stderr: false, kept: Kept::First };
        run_gently(&mut words.command(), &limits, |_| {})
    }
}

/// The options that `autoscale --servers` needs, too. The others concern only the number.
fn about_servers(options: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut is_value = false;
    for option in options {
        let is_kept = ["--backend", "--socket", "--timeout"].contains(&name(option));
        if is_kept || is_value {
            kept.push(option.clone());
        }
        is_value = is_kept && !option.contains('=');
    }
    kept
}

/// The name of an option: `--log` of `--log=FILE`.
fn name(option: &str) -> &str {
    option.split('=').next().unwrap_or_default()
}

/// The number in a line of JSON.
fn number(line: &str) -> Option<Number> {
    serde_json::from_str(line).ok()
}

/// A line `NAME STATE SESSIONS`.
fn server(line: &str) -> Option<Server> {
    let mut words = line.split(' ');
    let (name, state, sessions) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
    Some(Server { name: name.to_owned(), is_draining: state == "draining", sessions })
}

/// How a command ended.
pub(crate) fn shown(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_about_the_servers_are_passed_on_to_their_list() {
        let options =
            ["--backend", "a", "--min", "1", "--backend=b", "--socket", "/s", "--log=x", "--timeout=1s"];
        let kept = about_servers(&options.map(str::to_owned));
        assert_eq!(kept, ["--backend", "a", "--backend=b", "--socket", "/s", "--timeout=1s"]);
    }

    #[test]
    fn a_line_without_both_numbers_is_none() {
        let seen = |line| number(line).map(|number| (number.wanted, number.count));
        let whole = r#"{"wanted":6,"count":4,"draining":0,"reason":"up from 4, \"a\""}"#;
        assert_eq!(seen(whole), Some((6, 4)));
        for none in ["7", "", "{}", r#"{"wanted":null,"count":4,"reason":null}"#, r#"{"wanted":2,"count":x}"#]
        {
            assert_eq!(seen(none), None, "{none}");
        }
    }

    #[test]
    fn a_server_is_a_name_a_state_and_sessions() {
        let one = Server { name: "s1".into(), is_draining: true, sessions: 7 };
        assert_eq!(server("s1 draining 7"), Some(one));
        assert!(!server("s1 up 7").unwrap().is_draining);
        assert_eq!(server("s1 up"), None);
    }
}
