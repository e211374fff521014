//! The name of a file as HAProxy's socket takes it.

use crate::config::words::marked;
use crate::haproxy::commands::escaped;
use crate::servers::reason::Reason;

/// A name that can be written in a command.
pub(super) struct SocketName {
    plain: String,
    escaped: String,
}

impl SocketName {
    /// The name of a file in HAProxy's store. Fails if no command can name it: a `*` at the beginning means an open
    /// transaction, `<<` a payload, and `:` the number of an entry. Nor does a command have bytes that are not UTF-8.
    pub(super) fn new(plain: &str) -> Result<SocketName, Reason> {
        let is_unfit = |c: char| c.is_control() || c == ':' || c == '<' || marked(c).is_some();
        if plain.is_empty() || plain.starts_with('*') || plain.contains(is_unfit) {
            return Err(Reason::Name);
        }
        Ok(SocketName { plain: plain.to_owned(), escaped: escaped(plain) })
    }

    /// The same for a certificate. `set ssl cert` takes some endings for a part of the certificate before them.
    pub(super) fn of_certificate(plain: &str) -> Result<SocketName, Reason> {
        const PARTS: [&str; 5] = [".key", ".ocsp", ".issuer", ".sctl", ".dh"];
        if PARTS.iter().any(|part| plain.ends_with(part)) {
            return Err(Reason::Name);
        }
        SocketName::new(plain)
    }

    /// The name as HAProxy's answers have it.
    pub(super) fn plain(&self) -> &str {
        &self.plain
    }

    /// The name as a command has it.
    pub(super) fn escaped(&self) -> &str {
        &self.escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::content::text;

    #[test]
    fn blanks_semicolons_and_backslashes_are_escaped() {
        let name = SocketName::new(r"/etc/a b;c\d.pem").unwrap();
        assert_eq!((name.plain(), name.escaped()), (r"/etc/a b;c\d.pem", r"/etc/a\ b\;c\\d.pem"));
    }

    #[test]
    fn names_that_no_command_can_hold_are_refused() {
        for name in ["", "*a.pem", "a\nb.pem", "a<<b.pem", "a.pem:3", "a\tb", &text(b"a\xe9")] {
            assert!(SocketName::new(name).is_err(), "{name:?}");
        }
        assert!(SocketName::of_certificate("a.key").is_err());
        assert!(SocketName::of_certificate("a.pem.rsa").is_ok());
    }
}
