//! The errors of a template: where it has one, why, and what to do.

use std::io;
use std::path::PathBuf;

use common::failure::{Code, Fault};
use common::messages::excerpt;
use tera::Value;
use thiserror::Error;

use crate::setting_path::SettingPath;
use crate::template::hints::tag_around;
use crate::truncate::{truncate, truncate_around};
use crate::vars::Var;
use crate::vars_files::FileVars;

/// Why a template could not be rendered.
#[derive(Debug, Error)]
pub(crate) enum TemplateError {
    /// The file cannot be read.
    #[error("cannot read '{}': {}", .path.display(), unreadable(.err))]
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
    /// A setting is not what the template wants.
    #[error("{}", wrong(.setting, .variable.as_deref(), .reason))]
    Setting {
        /// Its path.
        setting: SettingPath,
        /// The environment variable or the file that it comes from.
        variable: Option<String>,
        /// The error.
        reason: String,
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
            // The template is fine: the caller passed a wrong value.
            TemplateError::Setting { .. } => Code::Usage,
            TemplateError::Read { err, .. } if err.kind() != io::ErrorKind::InvalidData => Code::Files,
            _ => Code::Input,
        }
    }
}

impl TemplateError {
    /// A wrong setting. Often it is a value to which options were added, so the reason then says where options belong.
    pub(crate) fn setting(setting: SettingPath, reason: String) -> TemplateError {
        let value = reason
            .strip_prefix('\'')
            .and_then(|reason| reason.split_once("' is not "))
            .map(|(value, _)| value);
        if setting.keys().len() == 1 && value.is_some_and(|value| value.trim().contains(char::is_whitespace))
        {
            let reason =
                format!("{reason}; it is one word for HAProxy: write further words into the template");
            return TemplateError::Setting { setting, variable: None, reason };
        }
        TemplateError::Setting { setting, variable: None, reason }
    }

    /// The same error; a wrong setting gets the environment variable or the file that it
    /// comes from.
    pub(crate) fn with_origin(mut self, vars: &[Var], files: &FileVars) -> TemplateError {
        if let TemplateError::Setting { setting, variable, .. } = &mut self {
            // Of two with one name the last counts.
            let var = vars.iter().rev().find(|var| var.name == setting.name());
            *variable = match var {
                Some(var) => var.variable.clone(),
                None => files.origin(setting).map(|place| format!("'{place}'")),
            };
        }
        self
    }

    /// `template:line:column`, if the error has a position.
    pub(crate) fn place(&self) -> Option<String> {
        match self {
            TemplateError::At { path, line, column, .. } => {
                Some(format!("{}:{line}:{column}", path.display()))
            }
            _ => None,
        }
    }

    /// The reason alone.
    pub(crate) fn reason(&self) -> &str {
        match self {
            TemplateError::At { reason, .. }
            | TemplateError::Whole { reason, .. }
            | TemplateError::Setting { reason, .. } => reason,
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

/// The line for a wrong setting. A variable can have several settings.
fn wrong(setting: &SettingPath, variable: Option<&str>, reason: &str) -> String {
    match (variable, reason.split_once("' is not ")) {
        (None, _) => format!("cannot use setting '{setting}': {reason}"),
        (Some(variable), Some((value, wanted))) => {
            format!("cannot use {variable}: setting '{setting}' is {value}', not {wanted}")
        }
        (Some(variable), None) => format!("cannot use {variable}: setting '{setting}': {reason}"),
    }
}

/// The system's reason. A missing file is usually a wrong path.
fn unreadable(err: &io::Error) -> String {
    match err.kind() {
        io::ErrorKind::NotFound => "the template does not exist; correct its path".to_owned(),
        _ => err.to_string(),
    }
}

/// The setting whose value is the cause of the error at this place, if there is one: `vars.NAME` is in the same `{{ }}`
/// or `{% %}`, and the reason begins with its value.
pub(crate) fn wrong_setting(line: &str, column: usize, reason: &str, vars: &Value) -> Option<String> {
    let names = tag_around(line, column).split("vars.").skip(1).map(|after| {
        after.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default()
    });
    let is_wrong = |name: &&str| {
        vars.get_from_path(name).is_some_and(|value| {
            reason.starts_with(&format!("'{}' is not ", excerpt(value.to_string().as_bytes())))
        })
    };
    names.filter(|name| !name.is_empty()).find(is_wrong).map(str::to_owned)
}

/// Tera's message as a reason: one line, lower case, without a full stop and without a dump of the context.
pub(crate) fn reason(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let mut short = truncate(line).into_owned();
    if line.len() < message.len() && !short.ends_with('…') {
        short.push('…');
    }
    let mut chars = short.trim_end_matches('.').chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
