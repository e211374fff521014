//! Reads and renders a template.
//!
//! `revision` is a hash of the rendered text, in which the revision itself is left blank. So the same text always has
//! the same revision, and a different text has a different one. A variable of the environment that is not printed does
//! not matter, even if it differs for each Serf handler.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tera::{Context, ErrorKind, Tera};
use thiserror::Error;

use crate::endpoints::Unservable;
use crate::filters;
use crate::limits::{Limited, read};
use crate::truncate::{truncate, truncate_around};
use common::failure::{Code, Fault};
use render_cfg::escape::escape;

/// The placeholder for the revision while the text is hashed. It is as long as a real one.
const BLANK: &str = "rollcall-0000000000000000";

/// Why a template could not be rendered.
#[derive(Debug, Error)]
pub(crate) enum TemplateError {
    /// The file cannot be read.
    #[error("cannot read '{}': {err}", .path.display())]
    Read {
        /// The template.
        path: PathBuf,
        /// The system's error.
        err: io::Error,
    },
    /// The template has an error at this position.
    #[error("cannot render '{}:{line}:{column}': {reason}", .path.display())]
    At {
        /// The template.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// The error.
        reason: String,
        /// The line itself.
        text: String,
    },
    /// The template has an error without a position.
    #[error("cannot render '{}': {reason}", .path.display())]
    Whole {
        /// The template.
        path: PathBuf,
        /// The error.
        reason: String,
    },
}

impl Fault for TemplateError {
    fn code(&self) -> Code {
        match self {
            TemplateError::Read { err, .. } if err.kind() != io::ErrorKind::InvalidData => Code::Files,
            _ => Code::Input,
        }
    }
}

impl TemplateError {
    /// `template:line:column`, if the error has a position.
    pub(crate) fn place(&self) -> Option<String> {
        match self {
            TemplateError::At { path, line, column, .. } => Some(format!("{}:{line}:{column}", path.display())),
            _ => None,
        }
    }

    /// The reason alone.
    pub(crate) fn reason(&self) -> &str {
        match self {
            TemplateError::At { reason, .. } | TemplateError::Whole { reason, .. } => reason,
            TemplateError::Read { .. } => "it cannot be read",
        }
    }

    /// The line with the error and its number, as a compiler shows it.
    pub(crate) fn line(&self) -> Option<String> {
        match self {
            TemplateError::At { line, column, text, .. } => {
                Some(format!("{line:5} | {}", truncate_around(text, *column)))
            }
            _ => None,
        }
    }
}

/// A template that has been read and parsed.
#[derive(Debug)]
pub(crate) struct Template {
    path: PathBuf,
    source: String,
    tera: Tera,
    unservable: Unservable,
}

impl Template {
    /// Reads and parses the template at `path`.
    pub(crate) fn read(path: &Path) -> Result<Template, TemplateError> {
        let source = read(path).map_err(|err| TemplateError::Read { path: path.to_owned(), err })?;
        let mut tera = Tera::new();
        let unservable = Unservable::default();
        // Every name ends with the empty suffix, so everything is escaped.
        tera.autoescape_on([""]);
        tera.set_escape_fn(escape);
        filters::register(&mut tera, &unservable);
        let parsed = tera.add_raw_template(NAME, &source);
        let template = Template { path: path.to_owned(), source, tera, unservable };
        match parsed {
            Ok(()) => Ok(template),
            Err(err) => Err(template.error(&err)),
        }
    }

    /// Renders the text and its revision. `context` contains everything except `revision`.
    pub(crate) fn render(&self, context: &mut Context) -> Result<String, TemplateError> {
        context.insert("revision", BLANK);
        let blank = self.render_once(context)?;
        if !self.source.contains("revision") {
            return Ok(blank);
        }
        let revision = revision(&blank);
        if self.prints_revision_only(&blank) {
            return Ok(blank.replace(BLANK, &revision));
        }
        context.insert("revision", &revision);
        self.render_once(context)
    }

    /// Whether the template only prints the revision. Then it can be inserted into `blank` without rendering again. If a
    /// node's tag contains the placeholder, the counts differ, and the result is false.
    fn prints_revision_only(&self, blank: &str) -> bool {
        let printed = self.source.matches("{{ revision }}").count();
        printed == self.source.matches("revision").count() && printed == blank.matches(BLANK).count()
    }

    /// The nodes that the last render could not serve, with the reason for each, by name.
    pub(crate) fn unservable(&self) -> BTreeMap<String, String> {
        self.unservable.take()
    }

    fn render_once(&self, context: &Context) -> Result<String, TemplateError> {
        self.unservable.reset();
        let mut text = Limited::default();
        self.tera.render_to(NAME, context, &mut text).map_err(|err| self.error(&err))?;
        // Tera writes only strings, and `escape` only ASCII, so this does not fail.
        Ok(String::from_utf8(text.bytes).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into()))
    }

    fn error(&self, err: &tera::Error) -> TemplateError {
        let message = match err.kind() {
            ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
                let span = report.span();
                return self.error_at(span.start_line, span.start_col + 1, report.message());
            }
            ErrorKind::Io(_) => std::error::Error::source(err).map_or(err.to_string(), ToString::to_string),
            kind => kind.to_string(),
        };
        match position(&message) {
            Some((line, column, message)) => self.error_at(line, column, message),
            None => TemplateError::Whole { path: self.path.clone(), reason: reason(&message) },
        }
    }

    fn error_at(&self, line: usize, column: usize, message: &str) -> TemplateError {
        let text = self.source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let text = text.trim_end().to_owned();
        TemplateError::At { path: self.path.clone(), line, column, reason: reason(message), text }
    }
}

/// Line, column and message of the first error in a report for people. For an unknown filter Tera returns nothing else.
fn position(report: &str) -> Option<(usize, usize, &str)> {
    let mut lines = report.lines();
    let message = lines.next()?.strip_prefix("error: ")?;
    let place = lines.next()?.trim_start().strip_prefix("--> ")?.strip_prefix(NAME)?.strip_prefix(':')?;
    let (line, column) = place.split_once(':')?;
    Some((line.parse().ok()?, column.parse().ok()?, message))
}

/// The template's name within Tera. Errors contain the real path.
const NAME: &str = "template";

fn revision(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash[..8].iter().fold("rollcall-".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Tera's message as a reason: one line, lower case, without a full stop and without a dump of the context.
fn reason(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let mut short = truncate(line).into_owned();
    if line.len() < message.len() && !short.ends_with('…') {
        short.push('…');
    }
    let mut chars = short.trim_end_matches('.').chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
