//! A command of the operator: it is split into words as a shell does it, and runs without a shell.

use std::borrow::Cow;
use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The placeholder of the number or the name.
const PLACE: &str = "{}";

/// The words of a command, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words(Vec<String>);

impl Words {
    /// Splits a command. If it needs a value, such as `the number`, one of its words must contain `{}`. The error is the
    /// reason why the command cannot run.
    pub(crate) fn split(text: &str, place: Option<&str>) -> Result<Words, String> {
        let words = shell_words::split(text).map_err(|err| err.to_string())?;
        let Some(program) = words.first() else { return Err("it has no words".to_owned()) };
        let is_missing = !words.iter().any(|word| word.contains(PLACE));
        if let Some(what) = place.filter(|_| is_missing) {
            return Err(format!("it does not contain '{PLACE}'; put it in place of {what}"));
        }
        check_program(program)?;
        Ok(Words(words))
    }

    /// A command that consists of a program's path, which is not checked.
    pub(crate) fn of_program(program: String) -> Words {
        Words(vec![program])
    }

    /// The words with `value` in place of `{}`.
    pub(crate) fn with(&self, value: &str) -> Words {
        Words(self.0.iter().map(|word| word.replace(PLACE, value)).collect())
    }

    /// The words, followed by more of them.
    pub(crate) fn and(&self, more: impl IntoIterator<Item = String>) -> Words {
        Words(self.0.iter().cloned().chain(more).collect())
    }

    /// The command, as it can be pasted into a shell.
    pub(crate) fn shown(&self) -> String {
        let quoted: Vec<_> = self.0.iter().map(|word| quoted(word)).collect();
        quoted.join(" ")
    }

    /// The command, ready to run.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]);
        command
    }
}

/// Quotes a word if a shell needs that. `shell_words` also quotes `webapp=6`, which is harder to read.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:=,@%+-".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) { word.into() } else { shell_words::quote(word) }
}

/// Fails if the program cannot run. The error is the reason.
fn check_program(program: &str) -> Result<(), String> {
    let path = Path::new(program);
    if program.contains('/') {
        return match path {
            _ if is_executable(path) => Ok(()),
            _ if path.exists() => Err(format!("'{program}' is not an executable file")),
            _ => Err(format!("'{program}' does not exist")),
        };
    }
    let directories = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&directories).any(|directory| is_executable(&directory.join(program))) {
        return Ok(());
    }
    Err(format!("'{program}' is not in the PATH ({})", directories.to_string_lossy()))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_gets_the_value_and_what_is_shown_can_be_pasted() {
        let words = Words::split("sh -c 'echo \"$0\" {}' web={} {}", Some("the number")).unwrap();
        assert_eq!(words.with("6").shown(), "sh -c 'echo \"$0\" 6' web=6 6");
        assert_eq!(words.with("a b").0, ["sh", "-c", "echo \"$0\" a b", "web=a b", "a b"]);
    }

    #[test]
    fn a_command_that_cannot_run_says_why() {
        for (text, place, why) in [
            ("", None, "it has no words"),
            (" # nothing", None, "it has no words"),
            ("sh 'a {}", None, "missing closing quote"),
            ("sh a", Some("the number"), "it does not contain '{}'; put it in place of the number"),
            ("sh # {}", Some("the number"), "it does not contain '{}'; put it in place of the number"),
            ("/none {}", None, "'/none' does not exist"),
            ("/etc/passwd {}", None, "'/etc/passwd' is not an executable file"),
            ("/ {}", None, "'/' is not an executable file"),
        ] {
            assert_eq!(Words::split(text, place), Err(why.to_owned()), "{text}");
        }
        assert!(Words::split("no-such", None).unwrap_err().starts_with("'no-such' is not in the PATH ("));
    }
}
