//! Names, times, paths, URIs and algorithms.

/// The longest name of a proxy, an ACL or a server. HAProxy has no limit, but its pages and logs become unreadable.
const NAME_MAX: usize = 128;
/// HAProxy counts a time in milliseconds in 31 bits, which is more than 24 days.
const TIME_MAX: u64 = i32::MAX as u64;
/// Units of time, in milliseconds. Without a unit HAProxy counts milliseconds, which is nearly always a mistake:
/// `hard-stop-after 90`. Its unit `us` is left out, because it rounds times below a millisecond.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Algorithms of one word, and those that can have an argument in parentheses.
const BALANCE: [&str; 7] =
    ["roundrobin", "static-rr", "leastconn", "first", "source", "random", "rdp-cookie"];
const BALANCE_WITH_ARGUMENT: [&str; 3] = ["random", "rdp-cookie", "hdr"];

/// Whether HAProxy accepts the text as the name of a proxy, an ACL or a server.
pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)
}

/// Digits and a unit. Zero is refused, because HAProxy takes it as no limit in most places.
pub(super) fn is_time(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = UNITS.iter().find(|(unit, _)| *unit == &text[digits..]);
    let count = text[..digits].parse::<u64>().ok();
    let time = count.zip(unit).and_then(|(count, (_, unit))| count.checked_mul(*unit));
    time.is_some_and(|milliseconds| (1..=TIME_MAX).contains(&milliseconds))
}

/// An absolute path without blanks and control characters. HAProxy expands `$NAME` in the path of a socket even if it
/// is escaped.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/') && is_one_word(text) && !text.contains('$')
}

/// What follows the method in a request: a path, with a query or without.
pub(super) fn is_uri(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// An algorithm of `balance` that is one word.
pub(super) fn is_balance(text: &str) -> bool {
    let argument = text.strip_suffix(')').and_then(|text| text.split_once('('));
    match argument {
        Some((name, argument)) => BALANCE_WITH_ARGUMENT.contains(&name) && is_name(argument),
        None => BALANCE.contains(&text) || text == "uri",
    }
}

/// Whether the text has no blanks and no control characters.
pub(super) fn is_one_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}
