//! `--on-failure`: the command that runs after a render that failed, such as one that counts it. With `--watch` the
//! program does not end, so there is no exit code that could be counted.

use std::time::Duration;

use common::failure::{Code, Failure};

use crate::command;

/// A command, split into words as by a shell, with `{}` in place of the exit code.
#[derive(Clone, Debug)]
pub(crate) struct OnFailure {
    text: String,
    words: Vec<String>,
}

impl OnFailure {
    /// Splits a command line, for clap.
    pub(crate) fn parse(text: &str) -> Result<OnFailure, String> {
        Ok(OnFailure { text: text.to_owned(), words: command::split(text)? })
    }

    /// Runs it for at most `timeout`. It is not repeated: the next render that fails runs it again.
    pub(crate) fn run(&self, code: Code, timeout: Duration) -> Result<(), Failure> {
        let number = (code as u8).to_string();
        let words: Vec<String> = self.words.iter().map(|word| word.replace("{}", &number)).collect();
        let (output, why) = command::run(&words, timeout, "--then-timeout", || {});
        let Some(trouble) = why else { return Ok(()) };
        let line = format!("cannot finish '{}': it {}", self.text, trouble.why);
        Err(Failure::new(Code::Unforeseen, line).with_more(output.lines().take(1).map(str::to_owned)))
    }
}

/// The exit code that a render would have ended with without `--watch`, if not 0. `ended` is the fault that ended it,
/// and `faults` are those after which it went on.
pub(crate) fn code(faults: &[Failure], ended: Option<&Failure>) -> Option<Code> {
    // Lasting warnings are among the faults, with the code `Unforeseen`.
    let codes = faults.iter().map(|fault| fault.code).filter(|code| *code != Code::Unforeseen);
    codes.chain(ended.map(|fault| fault.code)).min_by_key(|code| code.severity())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_code_counts_and_a_remark_has_none() {
        let faults = |codes: &[Code]| codes.iter().map(|code| Failure::new(*code, "x")).collect::<Vec<_>>();
        let guard = Failure::new(Code::Guard, "x");
        assert_eq!(code(&faults(&[]), None), None);
        assert_eq!(code(&faults(&[Code::Unforeseen]), None), None);
        assert_eq!(code(&faults(&[Code::Input, Code::Unforeseen]), None), Some(Code::Input));
        assert_eq!(code(&faults(&[Code::Input]), Some(&guard)), Some(Code::Input));
        assert_eq!(code(&faults(&[]), Some(&guard)), Some(Code::Guard));
    }

    #[test]
    fn the_command_gets_the_code_and_its_failure_is_reported() {
        let minute = Duration::from_secs(60);
        let run = |text| OnFailure::parse(text).unwrap().run(Code::Guard, minute);
        assert!(run("test {} = 6").is_ok());
        let failure = run("sh -c 'echo why; exit {}'").unwrap_err();
        assert_eq!(failure.line, "cannot finish 'sh -c 'echo why; exit {}'': it ended with exit code 6");
        assert_eq!(failure.more, ["why"]);
        assert!(OnFailure::parse("").is_err());
    }
}
