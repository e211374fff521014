//! The formats of a file of settings, by the ending of its name: JSON, TOML and YAML.

use std::path::Path;

use serde_json::{Map, Value};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Options};

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
    if text.trim().is_empty() {
        return Err(Wrong::at(text, 0, "it is empty: write {} for no settings"));
    }
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

/// YAML 1.2: `no`, `on` and `1:30` are text. So are `0755` and `1_000`, which other readers take for several numbers.
/// Aliases are limited, and merge keys (`<<`) are refused. A file that has only comments has no settings.
fn yaml(text: &str) -> Parsed {
    let table = serde_saphyr::from_str_with_options::<Option<Table>>(text, yaml_options());
    table.map(|table| table.map_or_else(Map::new, |Table(table)| table)).map_err(|err| {
        let whole = err.to_string();
        let place = err.location().map(|at| (at.line() as usize, at.column() as usize));
        let reason = whole.split(" at line ").next().unwrap_or_default();
        Wrong {
            place: place.filter(|(line, _)| *line > 0).or(Some((1, 1))),
            reason: twice(reason).unwrap_or_else(|| plain(reason).replace('\n', ", ")),
        }
    })
}

pub(super) fn yaml_options() -> Options {
    serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    }
}

/// The reason for a key that a table has twice, in the words that JSON's has.
fn twice(reason: &str) -> Option<String> {
    let key = reason.strip_prefix("duplicate mapping key: ")?;
    let key = key.split_once(", set DuplicateKeyPolicy").map_or(key, |(key, _)| key);
    Some(format!("the key '{key}' is there twice"))
}

/// The reason for an operator, where the crate's own words are about its options.
fn plain(reason: &str) -> &str {
    let known = [
        ("multiple YAML documents", "a file must have only one YAML document"),
        ("YAML merge keys", "merge keys (<<) are not allowed; a later --vars FILE can replace settings"),
        ("budget breached", "it has too many values, or its aliases repeat too many"),
        ("non-finite float", "a number must be finite; quote it if it is text"),
    ];
    known.iter().find(|(start, _)| reason.starts_with(start)).map_or(reason, |(_, plain)| plain)
}

#[cfg(test)]
mod tests;
