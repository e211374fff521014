//! Lengths of time on the command line.
//!
//! A day is the longest: anything longer is a mistake, and large values overflow clocks.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Parses `250ms`, `10s` or `2m`. Longer than a day is an error.
pub fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= DAY => Ok(duration),
        Ok(_) | Err(humantime::DurationError::NumberOverflow) => Err("it is longer than a day".to_owned()),
        Err(_) => Err("write it as 10s or 250ms".to_owned()),
    }
}

/// The same, for a limit: zero is an error.
pub fn non_zero(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() { Err("it must be greater than zero".to_owned()) } else { Ok(duration) }
}

/// The same, in whole seconds, the unit of alarm(2).
pub fn whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = non_zero(text)?;
    if duration.subsec_nanos() == 0 { Ok(duration) } else { Err("it must be in whole seconds".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_at_most_a_day() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "soon", "-1s", "25h", "18446744073709551615s", "300000000000y"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_error_shows_how_to_write_it() {
        for bad in ["", "x", "10", "-1s", "1 parsec"] {
            assert_eq!(duration(bad), Err("write it as 10s or 250ms".to_owned()), "{bad}");
        }
        for long in ["25h", "99999999999999999999s"] {
            assert_eq!(duration(long), Err("it is longer than a day".to_owned()), "{long}");
        }
    }

    #[test]
    fn a_limit_is_greater_than_zero() {
        assert_eq!(non_zero("1ms"), Ok(Duration::from_millis(1)));
        assert!(non_zero("0s").is_err());
    }

    #[test]
    fn a_time_limit_has_whole_seconds() {
        assert_eq!(whole_seconds("2m"), Ok(Duration::from_secs(120)));
        for text in ["0s", "500ms", "1s500ms", "2d", "soon"] {
            assert!(whole_seconds(text).is_err(), "{text}");
        }
    }
}
