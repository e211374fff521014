//! Settings from files: `--vars FILE`. They lie beneath those of `--set`, and a later file lies upon an earlier one.
//!
//! The files are read again for each render, so that `--watch` sees their changes.

mod formats;
mod merge;
mod place;
mod strict;
mod unknown;

use std::io;
use std::path::PathBuf;

use common::failure::{Code, Failure};
use common::regular_file;
use serde_json::{Map, Value};

use crate::setting_path::SettingPath;
use crate::truncate::truncate;
use formats::Format;
use strict::Wrong;
pub(crate) use unknown::refuse_unknown;

/// The largest file, in bytes. A thousand services with twenty lines each need a tenth of it.
const FILE_MAX: u64 = 8 << 20;

/// A file of settings.
#[derive(Clone, Debug)]
pub(crate) struct VarsFile {
    pub(crate) path: PathBuf,
    format: Format,
    /// The environment variable that names it. `None` if `--vars` does.
    variable: Option<String>,
}

/// The settings of all files.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileVars {
    pub(crate) table: Map<String, Value>,
    /// The files, in their order.
    sources: Vec<Source>,
}

/// A file that was read.
#[derive(Clone, Debug)]
struct Source {
    path: PathBuf,
    format: Format,
    text: String,
}

impl VarsFile {
    /// Parses the value of the option: a path whose ending is known.
    pub(crate) fn parse(text: &str) -> Result<VarsFile, String> {
        let path = PathBuf::from(text);
        let format = Format::of(&path).ok_or("its name must end with .json, .toml, .yaml or .yml")?;
        Ok(VarsFile { path, format, variable: None })
    }

    /// The same file; the variable of this name names it.
    pub(crate) fn of_variable(self, name: &str) -> VarsFile {
        VarsFile { variable: Some(name.to_owned()), ..self }
    }

    fn read(&self) -> Result<(Source, Map<String, Value>), Failure> {
        let bytes = regular_file::read(&self.path, FILE_MAX).map_err(|err| self.unreadable(&err))?;
        let text = String::from_utf8(bytes).map_err(|err| {
            let whole =
                String::from_utf8_lossy(&err.as_bytes()[..err.utf8_error().valid_up_to()]).into_owned();
            self.wrong(&Wrong::at(&whole, whole.len(), "it is not valid UTF-8"))
        })?;
        // Windows' editors begin a file with it.
        let text = text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned);
        let table = self.format.parse(&text).map_err(|wrong| self.wrong(&wrong))?;
        Ok((Source { path: self.path.clone(), format: self.format, text }, table))
    }

    fn unreadable(&self, err: &io::Error) -> Failure {
        let named = self.variable.as_ref().map(|name| format!(", which {name} names")).unwrap_or_default();
        Failure::new(Code::Files, format!("cannot read '{}'{named}: {err}", self.path.display()))
    }

    fn wrong(&self, wrong: &Wrong) -> Failure {
        let place = wrong.place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
        // A key or a line of the file may be part of it.
        let printable = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        let reason: String = wrong.reason.chars().map(printable).collect();
        let reason = truncate(&reason);
        Failure::new(Code::Usage, format!("cannot use '{}{place}': {reason}", self.path.display()))
    }
}

/// Line and column, both counted from 1.
pub type Place = (usize, usize);

/// What is wrong with a file, and where.
pub type Fault = (Option<Place>, String);

/// Parses the text of a file, whose format is the ending of its name, for fuzzing.
pub fn parse(ending: &str, text: &str) -> Result<Map<String, Value>, Fault> {
    let format = Format::of(&PathBuf::from(format!("vars.{ending}")));
    let format = format.ok_or_else(|| (None, "its ending is not known".to_owned()))?;
    format.parse(text).map_err(|wrong| (wrong.place, wrong.reason))
}

/// Where such a file has one of the outermost keys, for fuzzing.
pub fn place(ending: &str, text: &str, key: &str) -> Option<Place> {
    place::of_path(Format::of(&PathBuf::from(format!("vars.{ending}")))?, text, &[key])
}

/// Reads the files and merges them.
pub(crate) fn read(files: &[VarsFile]) -> Result<FileVars, Failure> {
    let mut all = FileVars::default();
    for file in files {
        let (source, table) = file.read()?;
        all.sources.push(source);
        merge::merge(&mut all.table, table);
    }
    Ok(all)
}

impl FileVars {
    /// Where a setting comes from: `FILE:LINE:COLUMN`. It is the last file that has the whole path, or else the longest
    /// beginning of it.
    pub(crate) fn origin(&self, path: &SettingPath) -> Option<String> {
        let keys = path.keys();
        (1..=keys.len()).rev().find_map(|depth| {
            let found = |source: &Source| source.place(&keys[..depth]);
            self.sources.iter().rev().find_map(found)
        })
    }
}

impl Source {
    fn place(&self, keys: &[&str]) -> Option<String> {
        let (line, column) = place::of_path(self.format, &self.text, keys)?;
        Some(format!("{}:{line}:{column}", self.path.display()))
    }
}
