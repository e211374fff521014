//! The kinds of text that a template can ask for.

use super::addresses::{is_bind, is_host, is_log_target};
use super::words::{is_balance, is_name, is_path, is_time, is_uri};

/// A kind of text.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The name of its filter and of its test.
    pub(crate) name: &'static str,
    /// Whether a text is of this kind.
    pub(crate) is: fn(&str) -> bool,
    /// The kind, for an error message: `'x y' is not …`.
    pub(crate) wanted: &'static str,
}

/// A name of a proxy, an ACL or a server, or a part of one.
pub(crate) const NAME: Kind =
    Kind { name: "name", is: is_name, wanted: "a name of at most 128 letters, digits and '_.:-'" };
/// A time with a unit.
pub(crate) const TIME: Kind = Kind {
    name: "time",
    is: is_time,
    wanted: "a time with a unit, such as '500ms', '10s' or '30m', from 1ms to 24d",
};
/// The path of a file.
pub(crate) const PATH: Kind =
    Kind { name: "path", is: is_path, wanted: "an absolute path without blanks and '$'" };
/// The path of a request.
pub(crate) const URI: Kind =
    Kind { name: "uri", is: is_uri, wanted: "a URI that begins with '/' and has no blanks" };
/// A host.
pub(crate) const HOST: Kind =
    Kind { name: "host", is: is_host, wanted: "a host name or an IP address, with a port or without" };
/// Addresses to listen on.
pub(crate) const BIND: Kind =
    Kind { name: "bind", is: is_bind, wanted: "an address such as ':80', '10.0.0.1:80' or '[::1]:80'" };
/// A target of logs.
const LOG: Kind = Kind {
    name: "log",
    is: is_log_target,
    wanted: "a log target such as '/dev/log', 'stdout' or '10.0.0.1:514'",
};
/// An algorithm of `balance`.
pub(crate) const BALANCE: Kind =
    Kind { name: "balance", is: is_balance, wanted: "an algorithm such as 'leastconn' or 'random(2)'" };

/// Those that have a filter and a test.
pub(super) const KINDS: [Kind; 8] = [NAME, TIME, PATH, URI, HOST, BIND, LOG, BALANCE];
