//! The running HAProxy's version, and what its server commands can do.
//!
//! facts: `add server` with checks came in 2.5, without `experimental-mode` in 2.6; a server added before
//! 3.0 has no dynamic cookie until its port changes (fixed by 9a0e0d3a1) and keeps no idle connections
//! (8a31783b6); deleting may crash HAProxy where sessions or idle connections still refer to the server, the
//! last of which was mended in November 2024 (2.6.20, 2.8.12, 3.0.6), and 2.6 refuses it for long all the same.

use std::fmt::{self, Display};

use serde::Serialize;

/// The numbers of a version: `3.2.6`; a development version counts as the first of its branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub(crate) struct Version(u32, u32, u32);

impl Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

impl Version {
    /// Reads what `show info` says: `2.6.12-1+deb12u4`, `3.3-dev5-1a2b3c`.
    pub(crate) fn parse(text: &str) -> Option<Version> {
        let mut numbers = text.split(['-', '+', '~']).next()?.split('.').map(str::parse);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(Version(major, minor, numbers.next().and_then(Result::ok).unwrap_or(0)))
    }

    /// Whether servers can be added.
    pub(crate) fn can_add(self) -> bool {
        self >= Version(2, 6, 0)
    }

    /// Whether too few open files are an error, unless the file says `no strict-limits`.
    pub(crate) fn is_strict(self) -> bool {
        self >= Version(2, 3, 0)
    }

    /// Whether deleting is known to be safe.
    pub(crate) fn can_delete(self) -> bool {
        self >= Version(3, 0, 6)
    }

    /// Whether a server that is added must get its port afterwards, to get its dynamic cookie.
    pub(crate) fn forgets_cookie(self) -> bool {
        self < Version(3, 0, 0)
    }

    /// Whether a server that is added must be told to keep idle connections.
    pub(crate) fn forgets_pool(self) -> bool {
        self < Version(3, 0, 0)
    }

    /// Whether `add server` takes the keyword, of those that are known at all.
    pub(crate) fn takes(self, keyword: &str) -> bool {
        match keyword {
            "cookie" => self >= Version(3, 0, 0),
            "init-state" => self >= Version(3, 1, 0),
            _ => true,
        }
    }

    /// Whether putting servers of `balance leastconn` into service again may stop a thread (#3360).
    pub(crate) fn breaks_on_return(self) -> bool {
        (Version(3, 2, 6)..Version(3, 2, 20)).contains(&self)
            || (Version(3, 3, 0)..Version(3, 3, 10)).contains(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_show_info_tells_them() {
        assert_eq!(Version::parse("2.6.12-1+deb12u4"), Some(Version(2, 6, 12)));
        assert_eq!(Version::parse("3.3-dev5-1a2b3c"), Some(Version(3, 3, 0)));
        assert_eq!(Version::parse("3.0.11-1~bpo12"), Some(Version(3, 0, 11)));
        assert_eq!(Version::parse("unknown"), None);
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        assert!(Version(2, 10, 0) > Version(2, 9, 99));
        assert!(!Version(2, 5, 14).can_add() && Version(2, 6, 0).can_add());
        assert!(!Version(2, 8, 9).can_delete() && Version(3, 0, 11).can_delete());
    }
}
