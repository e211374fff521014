//! The kinds of text that a template can ask for.

use super::addresses::{is_bind, is_host, is_log_target};
use super::words::{is_balance, is_name, is_path, is_time, is_uri};

/// A kind of text.
pub(super) struct Kind {
    /// The name of its filter and of its test.
    pub(super) name: &'static str,
    /// Whether a text is of this kind.
    pub(super) is: fn(&str) -> bool,
    /// The kind, for an error message: `'x y' is not …`.
    pub(super) wanted: &'static str,
}

/// All of them.
pub(super) const KINDS: [Kind; 8] = [
    Kind { name: "name", is: is_name, wanted: "a name of at most 128 letters, digits and '_.:-'" },
    Kind {
        name: "time",
        is: is_time,
        wanted: "a time with a unit, such as '500ms', '10s' or '30m', from 1ms to 24d",
    },
    Kind { name: "path", is: is_path, wanted: "an absolute path without blanks and '$'" },
    Kind { name: "uri", is: is_uri, wanted: "a URI that begins with '/' and has no blanks" },
    Kind { name: "host", is: is_host, wanted: "a host name or an IP address, with a port or without" },
    Kind { name: "bind", is: is_bind, wanted: "an address such as ':80', '10.0.0.1:80' or '[::1]:80'" },
    Kind {
        name: "log",
        is: is_log_target,
        wanted: "a log target such as '/dev/log', 'stdout' or '10.0.0.1:514'",
    },
    Kind { name: "balance", is: is_balance, wanted: "an algorithm such as 'leastconn' or 'random(2)'" },
];
