//! Tells from HAProxy's answer that an entry is bad.
//!
//! Only what `haproxy -c` would refuse too is taken for that. A start looks up the names of hosts in a list of
//! addresses, a running HAProxy does not: such an entry is left to a reload.

/// Parts of the messages of `pat_parse_*` in HAProxy's pattern.c, of its regular expressions, and of a map's values.
const MESSAGES: [&str; 8] = [
    "' is not a number",
    "' is not a valid number range",
    "' is not a dotted number",
    "' is not a valid dotted number range",
    "' is invalid (error=",
    "unable to parse '",
    "an even number of hex digit is expected",
    "an hex digit is expected",
];
const ADDRESS: &str = "' is not a valid IPv4 or IPv6 address";

/// HAProxy's message if it says that an entry is bad.
pub(super) fn refusal(answer: &str) -> Option<String> {
    let message = answer.lines().map(str::trim).find(|line| !line.is_empty())?;
    let message = message.strip_suffix('.').unwrap_or(message);
    let is_bad = MESSAGES.iter().any(|part| message.contains(part)) || is_bad_address(message);
    is_bad.then(|| message.to_owned())
}

/// Whether it is about an address that cannot be a name: names have letters and no colon.
fn is_bad_address(message: &str) -> bool {
    let address = message.strip_prefix('\'').and_then(|rest| rest.strip_suffix(ADDRESS));
    address
        .is_some_and(|address| address.contains(':') || !address.contains(|c: char| c.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haproxy_says_that_an_entry_is_bad() {
        let bad = [
            "'bad' is not a number.\n\n",
            "regex '(x' is invalid (error=missing closing parenthesis, erroffset=2).\n\n",
            "'10.0.0.300' is not a valid IPv4 or IPv6 address.\n\n",
            "'fe80::/200' is not a valid IPv4 or IPv6 address.\n\n",
            "\n\nunable to parse 'seven'.\n\n",
        ];
        for answer in bad {
            assert_eq!(refusal(answer).as_deref(), answer.trim().strip_suffix('.'), "{answer}");
        }
    }

    #[test]
    fn other_answers_say_nothing_about_an_entry() {
        let other = [
            "\n",
            "Permission denied\n\n",
            "Out of memory error.\n\n",
            "'www.example.com' is not a valid IPv4 or IPv6 address.\n\n",
        ];
        assert!(other.iter().all(|answer| refusal(answer).is_none()));
    }
}
