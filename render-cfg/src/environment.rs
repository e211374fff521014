//! Settings from environment variables: `--set-from`, `--vars-from`, `--min-nodes-from` and `--check-from` name the
//! variables.
//!
//! scripts/settings.sh passes an operator's settings in this way. The operator has set a variable and has never seen an
//! option, so an error names the variable.

use std::env;

use common::failure::{Code, Failure};
use common::messages::excerpt;

use crate::args::Args;
use crate::check::Check;
use crate::min_nodes::Floor;
use crate::vars::Var;
use crate::vars_files::VarsFile;

/// An environment variable that is not empty.
struct Setting<'a> {
    name: &'a str,
    text: String,
}

/// Adds the settings of the variables to those of the command line, after them. Fails at the first wrong one.
pub(crate) fn add_settings(args: &mut Args) -> Result<(), Failure> {
    if let Some(setting) = Setting::read(args.set_from.as_deref())? {
        let from_here = |var| Var { variable: Some(setting.name.to_owned()), ..var };
        args.vars.extend(setting.each_word(pair)?.into_iter().map(from_here));
    }
    if let Some(setting) = Setting::read(args.vars_from.as_deref())? {
        let files = setting.each_word(VarsFile::parse)?.into_iter();
        args.vars_files.extend(files.map(|file| file.of_variable(setting.name)));
    }
    if let Some(setting) = Setting::read(args.min_nodes_from.as_deref())? {
        args.min_nodes.extend(setting.floors()?.into_iter().map(|floor| floor.of_variable(setting.name)));
    }
    if let Some(setting) = Setting::read(args.check_from.as_deref())? {
        args.check = Some(setting.whole(Check::parse)?.of_variable(setting.name));
    }
    match &args.check_changes {
        Some(path) if args.check.is_none() => {
            let path = path.display();
            Err(Failure::new(
                Code::Usage,
                format!("cannot use --check-changes '{path}': give a --check, too"),
            ))
        }
        _ => Ok(()),
    }
}

impl<'a> Setting<'a> {
    /// Reads the variable. `None` if it is unset or empty, or if `name` is `None`.
    fn read(name: Option<&'a str>) -> Result<Option<Setting<'a>>, Failure> {
        let Some((name, value)) = name.and_then(|name| Some((name, env::var_os(name)?))) else {
            return Ok(None);
        };
        let setting = Setting { name, text: value.to_string_lossy().into_owned() };
        if value.to_str().is_none() {
            return Err(setting.wrong(&setting.text, "it is not valid UTF-8"));
        }
        Ok(Some(setting).filter(|setting| !setting.text.is_empty()))
    }

    /// The guards. Blanks alone are an error: they would turn the guard off.
    fn floors(&self) -> Result<Vec<Floor>, Failure> {
        let floors = self.each_word(Floor::parse)?;
        if floors.is_empty() { self.whole(Floor::parse).map(|floor| vec![floor]) } else { Ok(floors) }
    }

    /// Parses each word of the text, which is split as by a shell.
    fn each_word<T>(&self, parse: fn(&str) -> Result<T, String>) -> Result<Vec<T>, Failure> {
        let words = shell_words::split(&self.text).map_err(|err| self.wrong(&self.text, &err.to_string()))?;
        words.iter().map(|word| parse(word).map_err(|reason| self.wrong(word, &reason))).collect()
    }

    /// Parses the text.
    fn whole<T>(&self, parse: fn(&str) -> Result<T, String>) -> Result<T, Failure> {
        parse(&self.text).map_err(|reason| self.wrong(&self.text, &reason))
    }

    fn wrong(&self, part: &str, reason: &str) -> Failure {
        let Setting { name, .. } = self;
        Failure::new(Code::Usage, format!("cannot use {name} '{}': {reason}", excerpt(part.as_bytes())))
    }
}

/// Parses `K=V`, a word of a variable: a word without `=` is probably the rest of a value with a blank.
fn pair(word: &str) -> Result<Var, String> {
    if !word.contains('=') {
        return Err("it is not KEY=VALUE; quote a value with blanks: KEY='A B'".to_owned());
    }
    Var::parse(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(text: &str) -> Setting<'static> {
        Setting { name: "V", text: text.to_owned() }
    }

    fn pairs(text: &str) -> Result<Vec<String>, String> {
        let pairs = setting(text).each_word(pair).map_err(|failure| failure.line)?;
        Ok(pairs.into_iter().map(|var| format!("{}:{}", var.name, var.value)).collect())
    }

    #[test]
    fn words_are_split_as_by_a_shell_and_nothing_is_expanded() {
        for (text, words) in [
            ("a=1  b=\n\tc=x=y", &["a:1", "b:", "c:x=y"][..]),
            ("a='one two' b=\"it's\" c=\\ x", &["a:one two", "b:it's", "c: x"]),
            ("a=$HOME b=* c=`id` d=~ e=x;y", &["a:$HOME", "b:*", "c:`id`", "d:~", "e:x;y"]),
            ("a='\"' b=\"\\\"\\$\" c=1#2", &["a:\"", "b:\"$", "c:1#2"]),
            (" \n", &[]),
        ] {
            assert_eq!(pairs(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn a_wrong_word_is_named_with_its_variable() {
        for (text, line) in [
            ("a=:443 ssl", "cannot use V 'ssl': it is not KEY=VALUE; quote a value with blanks: KEY='A B'"),
            ("a=1 =2", "cannot use V '=2': the key '' is not a valid name"),
            ("a=1 my-key=2", "cannot use V 'my-key=2': the key 'my-key' is not a valid name"),
            ("a='b c", "cannot use V 'a='b c': missing closing quote"),
        ] {
            let err = pairs(text).unwrap_err();
            assert!(err.starts_with(line), "{text}: {err}");
        }
    }

    #[test]
    fn guards_are_words_and_blanks_do_not_turn_them_off() {
        assert_eq!(setting("backend=2 3").floors().unwrap().len(), 2);
        for text in [" ", "two", "backend=1 two", "#", "a,b=1"] {
            let failure = setting(text).floors().unwrap_err();
            assert!(failure.line.starts_with("cannot use V '"), "{text}: {}", failure.line);
        }
    }
}
