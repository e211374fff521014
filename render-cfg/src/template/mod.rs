//! Reads and renders a template.
//!
//! `revision` is a hash of the rendered text, in which the revision itself is left blank. So the same text always has
//! the same revision, and a different text has a different one. A variable of the environment that is not printed does
//! not matter, even if it differs for each Serf handler.

pub(crate) mod error;
mod hints;
pub(crate) mod limits;
mod types;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tera::{Context, ErrorKind, Tera, Value};

use crate::escape::escape;
use crate::filters;
use crate::filters::effects::Effects;
use crate::services;
use crate::setting_path::{SettingPath, Wrong};
use crate::side_files::{SideFile, SideFiles};
use crate::template::error::{TemplateError, reason, wrong_setting};
use crate::template::hints::hint;
use crate::template::limits::{Limited, read};

/// The placeholder for the revision while the text is hashed. It is as long as a real one.
const BLANK: &str = "rollcall-0000000000000000";

/// A template that has been read and parsed.
#[derive(Debug)]
pub(crate) struct Template {
    path: PathBuf,
    source: String,
    tera: Tera,
    effects: Effects,
}

impl Template {
    /// Reads and parses the template at `path`. `files` collects the files that its text names.
    pub(crate) fn read(path: &Path, files: SideFiles) -> Result<Template, TemplateError> {
        Template::parse(path, Template::source(path)?, files)
    }

    /// The source in the file at `path`.
    pub(crate) fn source(path: &Path) -> Result<String, TemplateError> {
        read(path).map_err(|err| TemplateError::Read { path: path.to_owned(), err })
    }

    /// Parses the source, which was read from the file at `path`.
    pub(crate) fn parse(path: &Path, source: String, files: SideFiles) -> Result<Template, TemplateError> {
        let mut tera = Tera::new();
        let effects = Effects::new(files);
        // Every name ends with the empty suffix, so everything is escaped.
        tera.autoescape_on([""]);
        tera.set_escape_fn(escape);
        filters::register(&mut tera, &effects);
        services::register(&mut tera, &effects);
        let parsed = tera.add_raw_template(NAME, &source);
        let template = Template { path: path.to_owned(), source, tera, effects };
        match parsed {
            Ok(()) => Ok(template),
            Err(err) => Err(template.error(&err, None)),
        }
    }

    /// From now on keeps the servers of unchanged nodes from one render to the next.
    pub(crate) fn keep_servers(&self) {
        self.effects.unservable.keep_servers();
    }

    /// Whether this is what `parse` would return for these arguments. What a render leaves in it, the next one resets.
    pub(crate) fn is_of(&self, path: &Path, source: &str, files: &SideFiles) -> bool {
        self.path == path && self.source == source && self.effects.files.is_for_the_output_of(files)
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

    /// Whether the template only prints the revision. Then it can be inserted into `blank` without rendering again. If
    /// a node's tag contains the placeholder, the counts differ, and the result is false.
    fn prints_revision_only(&self, blank: &str) -> bool {
        let printed = self.source.matches("{{ revision }}").count();
        printed == self.source.matches("revision").count() && printed == blank.matches(BLANK).count()
    }

    /// The nodes that the last render could not serve, with the reason for each, by name.
    pub(crate) fn unservable(&self) -> BTreeMap<String, String> {
        self.effects.unservable.take()
    }

    /// What is probably wrong with the last render.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.effects.warnings.take()
    }

    /// The files that the text of the last render names.
    pub(crate) fn files(&self) -> Vec<SideFile> {
        self.effects.files.take()
    }

    fn render_once(&self, context: &Context) -> Result<String, TemplateError> {
        self.effects.reset();
        let mut text = Limited::default();
        self.tera.render_to(NAME, context, &mut text).map_err(|err| self.error(&err, context.get("vars")))?;
        // Tera writes only strings, and `escape` only ASCII, so this does not fail.
        Ok(String::from_utf8(text.bytes).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into()))
    }

    fn error(&self, err: &tera::Error, vars: Option<&Value>) -> TemplateError {
        if let Some(Wrong { path, reason }) = self.effects.wrong.take() {
            return TemplateError::setting(path, reason);
        }
        let message = match err.kind() {
            ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
                let span = report.span();
                return self.error_at(span.start_line, span.start_col + 1, report.message(), vars);
            }
            ErrorKind::Io(_) => std::error::Error::source(err).map_or(err.to_string(), ToString::to_string),
            kind => kind.to_string(),
        };
        match position(&message) {
            Some((line, column, message)) => self.error_at(line, column, message, vars),
            None => {
                TemplateError::Whole { path: self.path.clone(), reason: with_hint(reason(&message), "", 1) }
            }
        }
    }

    fn error_at(&self, line: usize, column: usize, message: &str, vars: Option<&Value>) -> TemplateError {
        let text = self.source.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim_end().to_owned();
        let reason = reason(message);
        if let Some(setting) = vars.and_then(|vars| wrong_setting(&text, column, &reason, vars)) {
            return TemplateError::setting(SettingPath::of(&setting), reason);
        }
        let reason = with_hint(reason, &text, column);
        TemplateError::At { path: self.path.clone(), line, column, reason, text }
    }
}

/// The reason, and what to do about it, if that is known.
fn with_hint(reason: String, line: &str, column: usize) -> String {
    if let Some(plain) = types::plain(&reason, line, column) {
        return plain;
    }
    match hint(&reason, line, column) {
        Some(hint) => format!("{reason}; {hint}"),
        None => reason,
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
