//! Ports and other numbers. Only digits are a number: HAProxy reads `10x` as 10 in some places.

use tera::{Error, Kwargs, TeraResult, Value};

use super::{arguments, otherwise};

/// What a port is, for an error message.
pub(crate) const PORT: &str = "a port, 1 to 65535";

/// `| port`, `| port(default=3000)`: 1 to 65535, as a number.
pub(super) fn port(value: &Value, given: &Kwargs) -> TeraResult<Value> {
    arguments::of_filter("port", given, &["default", "empty"])?;
    port_of(value).map_or_else(|| otherwise(value, given, PORT), |port| Ok(Value::from(port)))
}

/// `is port`
pub(super) fn is_port(value: &Value, given: &Kwargs) -> TeraResult<bool> {
    arguments::of_test("port", given, &[])?;
    Ok(port_of(value).is_some())
}

/// Reads a port as a template passes it: a number, or text from a tag or `--set`.
pub(crate) fn port_of(value: &Value) -> Option<u16> {
    value.as_str().map_or_else(|| parse_port(&value.to_string()), parse_port)
}

/// Parses a port: only digits, 1 to 65535.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    digits(text).and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0)
}

/// `| number`, `| number(min=1, max=100, default=5)`: a whole number without a sign, as a number.
pub(super) fn number(value: &Value, given: &Kwargs) -> TeraResult<Value> {
    arguments::of_filter("number", given, &["min", "max", "default", "empty"])?;
    let (min, max) = range(given)?;
    match number_of(value).filter(|number| (min..=max).contains(number)) {
        Some(number) => Ok(Value::from(number)),
        None if max == u64::MAX => otherwise(value, given, &format!("a whole number of at least {min}")),
        None => otherwise(value, given, &format!("a whole number from {min} to {max}")),
    }
}

/// `is number`, `is number(min=1, max=100)`
pub(super) fn is_number(value: &Value, given: &Kwargs) -> TeraResult<bool> {
    arguments::of_test("number", given, &["min", "max"])?;
    let (min, max) = range(given)?;
    Ok(number_of(value).is_some_and(|number| (min..=max).contains(&number)))
}

/// `| int`, `| int(default=0, base=16)`: a whole number, also a negative one.
pub(super) fn int(value: &Value, given: &Kwargs) -> TeraResult<Value> {
    arguments::of_filter("int", given, &["base", "default", "empty"])?;
    let base = given.get::<u32>("base")?.unwrap_or(10);
    if !(2..=36).contains(&base) {
        return Err(Error::message(format!("the base {base} is not 2 to 36")));
    }
    let text = value.as_str().unwrap_or_default().trim();
    let prefix =
        [(2, "0b"), (8, "0o"), (16, "0x")].iter().find(|(of, _)| *of == base).map(|(_, prefix)| prefix);
    let text = prefix.and_then(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    let float = value.as_f64().or_else(|| text.parse().ok().filter(|_| base == 10));
    // Tera itself takes `3.0`. A float holds every whole number up to 2^53.
    let whole = float.filter(|float| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0);
    let number = value.as_i128().or_else(|| i128::from_str_radix(text, base).ok());
    match number.or_else(|| whole.map(|float| float as i128)) {
        Some(number) => Ok(Value::from(number)),
        None => otherwise(value, given, "a whole number"),
    }
}

fn range(given: &Kwargs) -> TeraResult<(u64, u64)> {
    Ok((given.get("min")?.unwrap_or(0), given.get("max")?.unwrap_or(u64::MAX)))
}

/// Reads a whole number without a sign, as a number or as text.
pub(crate) fn number_of(value: &Value) -> Option<u64> {
    value.as_str().map_or_else(|| digits(&value.to_string()), digits)
}

/// Parses digits. `parse` alone would take a sign.
fn digits(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}
