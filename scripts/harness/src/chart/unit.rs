//! The unit of a number in a chart or a table, which decides its format.

use serde::{Deserialize, Serialize};

/// The unit of a number, which decides its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Mebibytes.
    Mebibytes,
    /// A plain number.
    Count,
}

impl Unit {
    /// A value as text, with a useful number of digits.
    pub fn shown(self, value: f64) -> String {
        match self {
            Unit::Seconds if value < 1e-3 => format!("{} µs", digits(value * 1e6)),
            Unit::Seconds if value < 1.0 => format!("{} ms", digits(value * 1e3)),
            Unit::Seconds => format!("{} s", digits(value)),
            Unit::Mebibytes if value >= 1024.0 => format!("{} GiB", digits(value / 1024.0)),
            Unit::Mebibytes => format!("{} MiB", digits(value)),
            Unit::Count => grouped(value.round() as u64),
        }
    }
}

/// Formats a number with two or three significant digits.
fn digits(value: f64) -> String {
    if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}").trim_end_matches(".0").to_owned()
    } else {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// Formats a whole number with a comma for each thousand.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_a_fitting_unit_and_few_digits() {
        assert_eq!(Unit::Seconds.shown(0.012_63), "12.6 ms");
        assert_eq!(Unit::Seconds.shown(0.001), "1 ms");
        assert_eq!(Unit::Seconds.shown(2.5), "2.5 s");
        assert_eq!(Unit::Seconds.shown(0.000_25), "250 µs");
        assert_eq!(Unit::Mebibytes.shown(2048.0), "2 GiB");
        assert_eq!(Unit::Count.shown(1_234_567.0), "1,234,567");
    }
}
