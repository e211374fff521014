//! The running HAProxy's version, and what its server commands can do.
//!
//! `add server` takes checks since 2.5, and needs no `experimental-mode` since 2.6. Before 3.0, an added server has
//! no dynamic cookie until its port changes (fixed by 9a0e0d3a1) and keeps no idle connections (8a31783b6).
//! Deleting a server may crash HAProxy if sessions or idle connections still refer to it. The last of these faults
//! was fixed in November 2024 (2.6.20, 2.8.12, 3.0.6), but 2.6 still refuses to delete for a long time.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::config::server_keywords::since;

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
    /// Reads the version in `show info`: `2.6.12-1+deb12u4`, `3.3-dev5-1a2b3c`.
    pub(crate) fn parse(text: &str) -> Option<Version> {
        let mut numbers = text.split(['-', '+', '~']).next()?.split('.').map(str::parse);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(Version(major, minor, numbers.next().and_then(Result::ok).unwrap_or(0)))
    }

    /// Whether servers can be added.
    pub(crate) fn can_add(self) -> bool {
        self >= Version(2, 6, 0)
    }

    /// Whether too few open files are an error, unless the file has `no strict-limits`.
    pub(crate) fn is_strict(self) -> bool {
        self >= Version(2, 3, 0)
    }

    /// Whether a worker of a master starts before its file is loaded.
    pub(crate) fn starts_before_loading(self) -> bool {
        self >= Version(3, 1, 0)
    }

    /// Whether an unprivileged worker may `chroot`, in a user namespace of its own, and `chroot auto` makes a
    /// directory (641fe4f11).
    pub(crate) fn chroots_unprivileged(self) -> bool {
        self >= Version(3, 4, 0)
    }

    /// Whether deleting is known to be safe.
    pub(crate) fn can_delete(self) -> bool {
        self >= Version(3, 0, 6)
    }

    /// Whether files of authorities can be replaced, in parts if they are large. Earlier versions forget then which
    /// `bind` and `server` lines use a certificate: a later renewal changes nothing, and they may crash (#3165). Seen
    /// with 2.6.12 and 3.0.11, not with 3.2.26 and 3.4.7; it is not known which version in between was the first.
    pub(crate) fn can_replace_authorities(self) -> bool {
        (Version(3, 2, 26)..Version(3, 3, 0)).contains(&self) || self >= Version(3, 4, 0)
    }

    /// Whether the filter `*` of a `crt-list` is for all names that no other certificate is for. Before, it is for none
    /// (seen with 2.6.12).
    pub(crate) fn has_filter_for_any(self) -> bool {
        self >= Version(3, 0, 0)
    }

    /// Whether an added server has no dynamic cookie until its port is set.
    pub(crate) fn forgets_cookie(self) -> bool {
        self < Version(3, 0, 0)
    }

    /// Whether an added server keeps no idle connections unless its options say so.
    pub(crate) fn forgets_pool(self) -> bool {
        self < Version(3, 0, 0)
    }

    /// Whether `add server` takes the keyword.
    pub(crate) fn takes(self, keyword: &str) -> bool {
        since(keyword).is_some_and(|(major, minor)| self >= Version(major, minor, 0))
    }

    /// Whether a thread may hang when a server of `balance leastconn` returns to service (#3360).
    pub(crate) fn breaks_on_return(self) -> bool {
        (Version(3, 2, 6)..Version(3, 2, 20)).contains(&self)
            || (Version(3, 3, 0)..Version(3, 3, 10)).contains(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_show_info() {
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
        assert!(Version(3, 2, 26).can_replace_authorities() && !Version(3, 3, 9).can_replace_authorities());
        assert!(!Version(3, 3, 9).chroots_unprivileged() && Version(3, 4, 0).chroots_unprivileged());
    }
}
