//! The formats of a file of settings, by the ending of its name: JSON, TOML and YAML.

use std::path::Path;

use serde_json::{Map, Value};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::strict::{Table, Wrong};

type Parsed = Result<Map<String, Value>, Wrong>;

/// A format.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Json,
    Toml,
    Yaml,
}

impl Format {
    /// The format of a file, by the ending of its name.
    pub(super) fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "json" => Some(Format::Json),
            "toml" => Some(Format::Toml),
            "yaml" | "yml" => Some(Format::Yaml),
            _ => None,
        }
    }

    pub(super) fn parse(self, text: &str) -> Parsed {
        match self {
            Format::Json => json(text),
            Format::Toml => toml(text),
            Format::Yaml => yaml(text),
        }
    }
}

fn json(text: &str) -> Parsed {
    serde_json::from_str(text).map(|Table(table)| table).map_err(|err| {
        let whole = err.to_string();
        let reason = whole.split(" at line ").next().unwrap_or_default();
        // It has no position in the one case that the outermost value was read whole.
        let place = (err.line() > 0).then(|| (err.line(), err.column().max(1)));
        Wrong { place: place.or(Some((1, 1))), reason: reason.to_owned() }
    })
}

fn toml(text: &str) -> Parsed {
    toml::from_str(text).map(|Table(table)| table).map_err(|err| {
        let at = err.span().map_or(0, |span| span.start);
        Wrong::at(text, at, err.message().replace('\n', ", "))
    })
}

/// YAML 1.2: `no`, `on` and `1:30` are text. Aliases are limited, and merge keys (`<<`) are refused.
fn yaml(text: &str) -> Parsed {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map(|Table(table)| table).map_err(|err| {
        let whole = err.to_string();
        let place = err.location().map(|at| (at.line() as usize, at.column() as usize));
        let reason = whole.split(" at line ").next().unwrap_or_default();
        Wrong {
            place: place.filter(|(line, _)| *line > 0).or(Some((1, 1))),
            reason: reason.replace('\n', ", "),
        }
    })
}

#[cfg(test)]
mod tests;
