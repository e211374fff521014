//! The options of `server` and `default-server` lines: keywords with their values.
//!
//! A keyword that is not in the table of server_keywords.rs, or a value that the socket's command line might read
//! differently, needs a reload.

use std::borrow::Cow;
use std::net::IpAddr;

use thiserror::Error;

use crate::config::server_keywords::{self, AtRuntime, Keyword};
use crate::config::words::words;

/// HAProxy's own default.
pub(super) const DEFAULT_WEIGHT: u32 = 1;

/// Why the options of a server cannot be given to HAProxy while it runs.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum OptionError {
    #[error("its address '{0}' is not IP:PORT")]
    Address(String),
    #[error("'{0}' has no value")]
    NoValue(String),
    #[error("its {keyword} '{value}' is not a number from 0 to {most}")]
    Number { keyword: &'static str, value: String, most: u32 },
    #[error("'{0}' contains a variable or characters that HAProxy's socket does not accept")]
    NotPlain(String),
    #[error("'{0}' is not supported at run time")]
    Unsupported(String),
}

/// Keywords with their values, each keyword once, sorted: their order has no meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options<'t>(Vec<(Cow<'t, str>, Option<Cow<'t, str>>)>);

/// Adds a `default-server` line to those before it. Fails with an option that needs a reload.
pub(crate) fn default_server<'t>(line: &'t str, before: Options<'t>) -> Result<Options<'t>, OptionError> {
    let mut options = before;
    options.read(&mut split(line)?.into_iter().skip(1))?;
    Ok(options)
}

impl<'t> Options<'t> {
    /// Whether the keyword is among them.
    pub(crate) fn has(&self, keyword: &str) -> bool {
        self.at(keyword).is_ok()
    }

    /// The value of a keyword.
    pub(crate) fn value(&self, keyword: &str) -> Option<&str> {
        self.0[self.at(keyword).ok()?].1.as_deref()
    }

    /// All keywords.
    pub(crate) fn keywords(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(keyword, _)| &**keyword)
    }

    /// As they are written on a line, without spaces around.
    pub(crate) fn text(&self) -> String {
        let words = self.0.iter().flat_map(|(keyword, value)| [Some(&**keyword), value.as_deref()]);
        words.flatten().collect::<Vec<_>>().join(" ")
    }

    /// Where a keyword is, or would be.
    fn at(&self, keyword: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(keyword))
    }

    /// The first option that differs from `before`, as it is in one or the other.
    pub(crate) fn first_change(&self, before: &Options) -> String {
        let new = self.0.iter().find(|option| !before.0.contains(option));
        let option = new.or_else(|| before.0.iter().find(|option| !self.0.contains(option)));
        option.map_or_else(String::new, |option| Options(vec![option.clone()]).text())
    }

    /// The weight; `None` if it is not a number.
    pub(super) fn weight(&self) -> Option<u32> {
        match self.at("weight") {
            Ok(at) => self.0[at].1.as_ref()?.parse().ok(),
            Err(_) => Some(DEFAULT_WEIGHT),
        }
    }

    /// Adds the options in `words`. Fails with one that needs a reload.
    pub(super) fn read(&mut self, words: &mut dyn Iterator<Item = Cow<'t, str>>) -> Result<(), OptionError> {
        while let Some(word) = words.next() {
            let Keyword { takes_value, at_runtime } = server_keywords::keyword(&word);
            if at_runtime == AtRuntime::NeedsReload {
                self.unset(&word)?;
                continue;
            }
            let value =
                takes_value.then(|| words.next().ok_or_else(|| OptionError::NoValue(word.to_string())));
            let value = value.transpose()?;
            if at_runtime != AtRuntime::Ignored {
                self.set(word, value);
            }
        }
        Ok(())
    }

    fn set(&mut self, keyword: Cow<'t, str>, value: Option<Cow<'t, str>>) {
        match self.at(&keyword) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (keyword, value)),
        }
    }

    /// `no-check` cancels `check`, and `enabled` cancels `disabled`.
    fn unset(&mut self, keyword: &str) -> Result<(), OptionError> {
        let back = if keyword == "enabled" { Some("disabled") } else { keyword.strip_prefix("no-") };
        let is_flag = |back: &&str| {
            let Keyword { takes_value, at_runtime } = server_keywords::keyword(back);
            !takes_value && at_runtime != AtRuntime::NeedsReload
        };
        match back.filter(is_flag) {
            Some(back) => drop(self.take(back)),
            None => return Err(OptionError::Unsupported(keyword.to_owned())),
        }
        Ok(())
    }

    /// Fails unless `source` is an IP address: a range of ports needs more of HAProxy than the address.
    pub(super) fn check_source(&self) -> Result<(), OptionError> {
        match self.value("source").filter(|source| source.parse::<IpAddr>().is_err()) {
            Some(source) => Err(OptionError::Unsupported(format!("source {source}"))),
            None => Ok(()),
        }
    }

    /// Removes a keyword; returns its value.
    pub(super) fn take(&mut self, keyword: &str) -> Option<Option<Cow<'t, str>>> {
        self.at(keyword).ok().map(|at| self.0.remove(at).1)
    }

    /// Removes a keyword; returns its value, which is a number up to `most`.
    pub(super) fn take_number(
        &mut self,
        keyword: &'static str,
        most: u32,
    ) -> Result<Option<u32>, OptionError> {
        let Some(Some(value)) = self.take(keyword) else { return Ok(None) };
        let number = value.parse().ok().filter(|number| *number <= most && !value.starts_with('+'));
        number.map(Some).ok_or_else(|| OptionError::Number { keyword, value: value.into_owned(), most })
    }
}

/// Whether HAProxy and its socket both split the line at white space alone.
pub(super) fn is_usual(line: &str) -> bool {
    line.bytes().all(|byte| IS_USUAL[usize::from(byte)])
}

/// The words of a line, if the socket reads each of them as HAProxy reads the file.
pub(super) fn split(line: &str) -> Result<Vec<Cow<'_, str>>, OptionError> {
    if is_usual(line) {
        return Ok(line.split_ascii_whitespace().map(Cow::from).collect());
    }
    let words = words(line).into_iter();
    words
        .map(|word| match word.has_variable || !is_plain(&word.text) {
            true => Err(OptionError::NotPlain(word.text)),
            false => Ok(word.text.into()),
        })
        .collect()
}

/// Whether the socket's command line takes the word as it is.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(is_plain_byte)
}

/// Whether it means itself, to HAProxy and to its socket.
pub(super) const fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b':' | b',' | b'/' | b'@' | b'%' | b'+' | b'=' | b'*')
        || matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'!' | b'~' | b'^' | b'&' | b'|' | b'?')
}

/// For each byte whether it is plain or blank: all bytes of ten thousand lines are looked up.
const IS_USUAL: [bool; 256] = {
    let mut usual = [false; 256];
    let mut byte = 0_u8;
    loop {
        usual[byte as usize] = is_plain_byte(byte) || matches!(byte, b' ' | b'\t');
        match byte.checked_add(1) {
            Some(next) => byte = next,
            None => break usual,
        }
    }
};
