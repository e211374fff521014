//! Filters and tests that judge a value: `| port`, `is name`. A tag or a setting is any text, and HAProxy accepts some
//! wrong values without a warning: for HAProxy 2.6 `bind ":443 ssl"` is port 443 without TLS.
//!
//! Each kind is a filter and a test of the same name. The filter returns the value, or its `default`; without a default
//! a value of the wrong kind is an error. Tera's own `int` and `number` are replaced: a tag is always text.

mod addresses;
pub(crate) mod arguments;
pub(crate) mod kinds;
mod numbers;
mod patterns;
mod words;

use common::messages::excerpt;
use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

use kinds::{KINDS, Kind};
pub(crate) use numbers::{PORT, number_of, parse_port, port_of};
use patterns::Patterns;

/// Registers the filters and the tests.
pub(crate) fn register(tera: &mut Tera) {
    for kind in &KINDS {
        tera.register_filter(kind.name, |value: Value, given: Kwargs, _: &State| kind.filter(&value, &given));
        tera.register_test(kind.name, |value: Value, given: Kwargs, _: &State| {
            arguments::of_test(kind.name, &given, &[])?;
            Ok::<bool, Error>(kind.holds(&value))
        });
    }
    tera.register_filter("port", |value: Value, given: Kwargs, _: &State| numbers::port(&value, &given));
    tera.register_test("port", |value: Value, given: Kwargs, _: &State| numbers::is_port(&value, &given));
    tera.register_filter("number", |value: Value, given: Kwargs, _: &State| numbers::number(&value, &given));
    tera.register_test("number", |value: Value, given: Kwargs, _: &State| numbers::is_number(&value, &given));
    tera.register_filter("int", |value: Value, given: Kwargs, _: &State| numbers::int(&value, &given));
    let patterns = Patterns::default();
    tera.register_test("matching", move |value: Value, given: Kwargs, _: &State| {
        arguments::of_test("matching", &given, &["pat"])?;
        patterns.matches(&value, given.must_get("pat")?)
    });
}

impl Kind {
    /// Whether a value is text of this kind. An undefined value is not.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        value.as_str().is_some_and(self.is)
    }

    fn filter(&self, value: &Value, given: &Kwargs) -> TeraResult<Value> {
        arguments::of_filter(self.name, given, &["default", "empty"])?;
        if !self.holds(value) {
            return otherwise(value, given, self.wanted);
        }
        // Brackets and a star stay readable: they have no meaning to HAProxy outside quotes.
        match value.as_str().filter(|text| text.bytes().all(addresses::is_address_byte)) {
            Some(text) => Ok(Value::safe_string(text)),
            None => Ok(value.clone()),
        }
    }
}

/// What a filter returns for a value that is not of the wanted kind: an empty text with `empty=true`, the default, or
/// an error.
fn otherwise(value: &Value, given: &Kwargs, wanted: &str) -> TeraResult<Value> {
    if value.as_str() == Some("") && given.get::<bool>("empty")? == Some(true) {
        return Ok(value.clone());
    }
    given.get::<Value>("default")?.map_or_else(|| Err(Error::message(unwanted(value, wanted))), Ok)
}

/// The message that a value is not of the wanted kind.
pub(crate) fn unwanted(value: &Value, wanted: &str) -> String {
    if value.is_undefined() || value.is_none() {
        return format!("the value is missing, and must be {wanted}; for a default write | default(value=…)");
    }
    format!("'{}' is not {wanted}", excerpt(value.to_string().as_bytes()))
}

#[cfg(test)]
mod tests;
