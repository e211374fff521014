//! The values that a file of settings may have: text, numbers, booleans, lists and tables. All else is refused, and so is
//! a key that a table has twice: of the two, one would silently do nothing.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The key by which the crate `toml` passes a date on.
const TOML_DATE: &str = "$__toml_private_datetime";

/// What is wrong with a file.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Line and column, both counted from 1.
    pub(super) place: Option<(usize, usize)>,
    pub(super) reason: String,
}

impl Wrong {
    /// At the byte `at` of a text.
    pub(super) fn at(text: &str, at: usize, reason: impl Into<String>) -> Wrong {
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Wrong { place: Some((line, column)), reason: reason.into() }
    }
}

/// A whole file: a table.
pub(super) struct Table(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Table, D::Error> {
        match Strict::deserialize(from)?.0 {
            Value::Object(table) => Ok(Table(table)),
            _ => Err(D::Error::custom("the outermost value must be a table of settings, NAME and value")),
        }
    }
}

/// Any value.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Strict, D::Error> {
        from.deserialize_any(Any).map(Strict)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("text, a number, true, false, a list or a table")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // A reader makes this of a whole number for which its integers are too short, and it may be another number.
        if value.fract() == 0.0 && (value >= -2.0 * i64::MIN as f64 || value <= i64::MIN as f64) {
            return Err(E::custom("a whole number must fit into 64 bits; quote it if it is text"));
        }
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom("a number must be finite; quote it if it is text"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Err(E::custom("it has no value: leave the key out, or write \"\" for an empty text"))
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(value)) = from.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut table = Map::new();
        while let Some(Key(key)) = from.next_key()? {
            if key == TOML_DATE {
                return Err(A::Error::custom("a date or time must be quoted"));
            }
            if table.contains_key(&key) {
                return Err(A::Error::custom(format!("the key '{key}' is there twice")));
            }
            let Strict(value) = from.next_value()?;
            table.insert(key, value);
        }
        Ok(Value::Object(table))
    }
}

/// A key: text. YAML also has keys that are numbers, booleans or lists.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Key, D::Error> {
        match Strict::deserialize(from) {
            Ok(Strict(Value::String(key))) => Ok(Key(key)),
            Ok(Strict(other)) => Err(D::Error::custom(format!("the key {other} must be text: quote it"))),
            Err(err) => Err(err),
        }
    }
}
