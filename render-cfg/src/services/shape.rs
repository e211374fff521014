//! Checks a structured setting against its declared shape, so that a slip is an error with a place and never a setting
//! that silently does nothing.

use std::collections::BTreeMap;

use tera::Value;
use tera::value::Key;

use crate::near::near;
use crate::setting_path::{SettingPath, Wrong};
use crate::values::kinds::Kind;
use crate::values::{number_of, port_of, unwanted};

/// What is wrong with an empty list or table.
const EMPTY: &str = "it is empty: leave it out";

/// What a value must be.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Text of this kind.
    Text(&'static Kind),
    /// A port.
    Port,
    /// A whole number in this range.
    Number(u64, u64),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// This, or `false`.
    OrOff(&'static Shape),
    /// A list of these. One alone need not be in a list.
    List(&'static Shape),
    /// A table whose keys are names of this kind, with such values.
    Map(&'static Kind, &'static Shape),
    /// A table with some of these keys.
    Table(&'static [(&'static str, Shape)]),
}

impl Shape {
    /// Returns the value, with lists where there may be several.
    pub(crate) fn check(&self, value: &Value, path: &SettingPath) -> Result<Value, Wrong> {
        let of =
            |good: Option<Value>, wanted: &str| good.ok_or_else(|| Wrong::new(path, unwanted(value, wanted)));
        match self {
            Shape::Text(kind) => of(kind.holds(value).then(|| value.clone()), kind.wanted),
            Shape::Port => of(port_of(value).map(Value::from), "a port, 1 to 65535"),
            Shape::Number(least, most) => {
                let number = number_of(value).filter(|number| (least..=most).contains(&number));
                of(number.map(Value::from), &format!("a whole number from {least} to {most}"))
            }
            Shape::Flag => of(value.as_bool().map(Value::from), "true or false"),
            Shape::Word(words) => {
                let word = value.as_str().filter(|word| words.contains(word));
                of(word.map(Value::from), &format!("one of {}", words.join(", ")))
            }
            // A setting may be switched off that another file has switched on.
            Shape::OrOff(_) if value.as_bool() == Some(false) => Ok(value.clone()),
            Shape::OrOff(shape) => shape.check(value, path).map_err(|wrong| Wrong {
                reason: format!("{}; false switches it off", wrong.reason),
                ..wrong
            }),
            Shape::List(shape) => {
                let list = value.as_array().unwrap_or(std::slice::from_ref(value));
                if list.is_empty() {
                    return Err(Wrong::new(path, EMPTY));
                }
                let checked = list.iter().map(|one| shape.check(one, path));
                checked.collect::<Result<Vec<_>, _>>().map(Value::from)
            }
            Shape::Map(kind, shape) => map(value, kind, shape, path),
            Shape::Table(keys) => table(value, keys, path),
        }
    }
}

fn map(value: &Value, kind: &Kind, shape: &Shape, path: &SettingPath) -> Result<Value, Wrong> {
    let entries = entries(value, path)?;
    if entries.is_empty() {
        return Err(Wrong::new(path, EMPTY));
    }
    let mut checked = BTreeMap::new();
    for (key, value) in entries {
        if !(kind.is)(key) {
            let reason = unwanted(&Value::from(key), kind.wanted);
            return Err(Wrong::new(&path.at(key), reason));
        }
        checked.insert(key.to_owned(), shape.check(value, &path.at(key))?);
    }
    Ok(Value::from(checked))
}

fn table(value: &Value, keys: &[(&'static str, Shape)], path: &SettingPath) -> Result<Value, Wrong> {
    let mut checked = BTreeMap::new();
    for (key, value) in entries(value, path)? {
        let Some((name, shape)) = keys.iter().find(|(name, _)| *name == key) else {
            return Err(unknown(key, keys, path));
        };
        checked.insert(*name, shape.check(value, &path.at(key))?);
    }
    Ok(Value::from(checked))
}

fn unknown(key: &str, keys: &[(&'static str, Shape)], path: &SettingPath) -> Wrong {
    let names = || keys.iter().map(|(name, _)| *name);
    let advice = match near(key, names()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("the settings are {}", names().collect::<Vec<_>>().join(", ")),
    };
    Wrong::new(&path.at(key), format!("there is no such setting; {advice}"))
}

/// The keys and values of a table.
pub(crate) fn entries<'v>(value: &'v Value, path: &SettingPath) -> Result<Vec<(&'v str, &'v Value)>, Wrong> {
    let map = value.as_map().ok_or_else(|| Wrong::new(path, unwanted(value, "a table")))?;
    Ok(map.iter().filter_map(|(key, value)| Some((key.as_str()?, value))).collect())
}

/// The value of a table's key.
pub(crate) fn get<'v>(table: &'v Value, key: &'static str) -> Option<&'v Value> {
    table.as_map()?.get(&Key::Str(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::kinds::{NAME, TIME};

    const SHAPE: Shape = Shape::Table(&[
        ("name", Shape::Text(&NAME)),
        ("port", Shape::Port),
        ("share", Shape::Number(0, 256)),
        ("on", Shape::Flag),
        ("mode", Shape::Word(&["http", "tcp"])),
        ("cookie", Shape::OrOff(&Shape::Text(&NAME))),
        ("hosts", Shape::List(&Shape::Text(&NAME))),
        ("versions", Shape::Map(&NAME, &Shape::Number(0, 100))),
        ("timeouts", Shape::Table(&[("server", Shape::Text(&TIME))])),
    ]);

    fn check(text: &str) -> Result<Value, String> {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let path = SettingPath::of("s");
        SHAPE
            .check(&Value::from_serializable(&value), &path)
            .map_err(|wrong| format!("{}: {}", wrong.path, wrong.reason))
    }

    #[test]
    fn a_good_value_is_kept_and_one_value_becomes_a_list() {
        let good = check(
            r#"{"name": "a", "port": 80, "share": "7", "on": true, "mode": "tcp", "cookie": false, "hosts": "x",
                "versions": {"v1": 1}, "timeouts": {"server": "1s"}}"#,
        );
        let good = good.unwrap();
        assert_eq!(get(&good, "hosts").unwrap().as_array().unwrap().len(), 1);
        assert_eq!(get(&good, "share").unwrap().as_u64(), Some(7));
        assert!(get(&check("{}").unwrap(), "hosts").is_none());
    }

    #[test]
    fn a_wrong_value_is_named_by_its_path() {
        for (text, wanted) in [
            ("5", "s: '5' is not a table"),
            (r#"{"prot": 80}"#, "s.prot: there is no such setting; did you mean 'port'?"),
            (
                r#"{"timeouts": {"sever": "1s"}}"#,
                "s.timeouts.sever: there is no such setting; did you mean 'server'?",
            ),
            (r#"{"timeouts": {"server": 90}}"#, "s.timeouts.server: '90' is not a time with a unit"),
            (r#"{"port": 0}"#, "s.port: '0' is not a port, 1 to 65535"),
            (r#"{"share": -1}"#, "s.share: '-1' is not a whole number from 0 to 256"),
            (r#"{"share": 1.5}"#, "s.share: '1.5' is not a whole number from 0 to 256"),
            (r#"{"on": "yes"}"#, "s.on: 'yes' is not true or false"),
            (r#"{"mode": "udp"}"#, "s.mode: 'udp' is not one of http, tcp"),
            (r#"{"cookie": true}"#, "s.cookie: 'true' is not a name of at most 128 letters"),
            (r#"{"hosts": ["a", "b c"]}"#, "s.hosts: 'b c' is not a name"),
            (r#"{"hosts": {"a": 1}}"#, "s.hosts: '"),
            (r#"{"versions": {"v 1": 1}}"#, "s.versions.v 1: 'v 1' is not a name"),
            (r#"{"versions": {"v1": "x"}}"#, "s.versions.v1: 'x' is not a whole number from 0 to 100"),
        ] {
            let err = check(text).unwrap_err();
            assert!(err.starts_with(wanted), "{text}: {err}");
        }
    }
}
