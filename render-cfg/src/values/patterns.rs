//! `is matching(pat="...")`: regular expressions, which Tera does not have.
//!
//! The expression matches anywhere in the value, as in grep; `^` and `$` tie it to the beginning and the end. The time
//! grows only with the lengths of both, and the size is limited, so a hostile value cannot stop a render.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use regex::{Regex, RegexBuilder};
use tera::{Error, TeraResult, Value};

/// The largest compiled expression, in bytes. An expression for a name needs about a hundredth of it.
const SIZE_MAX: usize = 256 << 10;
/// A template has a few expressions. A template that builds them from tags must not fill the memory.
const KEPT_MAX: usize = 64;

/// Compiled expressions: a loop over nodes tests the same one again and again.
#[derive(Default)]
pub(super) struct Patterns(Mutex<HashMap<String, Regex>>);

impl Patterns {
    /// Whether a value is text that matches. An undefined value does not.
    pub(super) fn matches(&self, value: &Value, pattern: &str) -> TeraResult<bool> {
        let Some(text) = value.as_str() else { return Ok(false) };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = kept.get(pattern) {
            return Ok(regex.is_match(text));
        }
        let regex = compile(pattern)?;
        let is_match = regex.is_match(text);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), regex);
        Ok(is_match)
    }
}

fn compile(pattern: &str) -> TeraResult<Regex> {
    RegexBuilder::new(pattern).size_limit(SIZE_MAX).build().map_err(|err| {
        // The report has several lines; the last one is the reason.
        let report = err.to_string();
        let reason = report.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Error::message(format!("'{pattern}' is not a regular expression: {reason}"))
    })
}
