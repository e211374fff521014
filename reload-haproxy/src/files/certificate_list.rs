//! The lines of a `crt-list`: `FILE [OPTION VALUE ...] NAME...`.
//!
//! HAProxy splits them at blanks, without quotes (crtlist_parse_line in src/ssl_crtlist.c). Only a line that begins with
//! `#` is a comment.

/// The filter of a certificate that HAProxy serves for each name that no other certificate is for.
pub(crate) const ANY: &str = "*";

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'t> {
    /// The certificate, as it is written.
    pub(crate) file: &'t str,
    /// What follows it: options in brackets and server names, with single blanks.
    pub(crate) rest: String,
}

/// The entries of a list.
pub(crate) fn entries(text: &str) -> Vec<Entry<'_>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let file = words.next()?;
            Some(Entry { file, rest: words.collect::<Vec<_>>().join(" ") })
        })
        .collect()
}

impl Entry<'_> {
    /// The options in brackets.
    pub(crate) fn options(&self) -> Vec<&str> {
        let inner = self.rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        inner.map_or_else(Vec::new, |(options, _)| {
            options.split(' ').filter(|word| !word.is_empty()).collect()
        })
    }

    /// The server names.
    pub(crate) fn filters(&self) -> Vec<&str> {
        let options_end = self.rest.find(']').filter(|_| self.rest.starts_with('[')).map_or(0, |at| at + 1);
        self.rest[options_end..].split_whitespace().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_without_comments() {
        let entries = entries("# why\n\n a.pem\n b.pem\t[alpn h2  ca-file /x] *.b.test  !c.b.test\r\n");
        assert_eq!(entries[0], Entry { file: "a.pem", rest: String::new() });
        assert_eq!(entries[1].rest, "[alpn h2 ca-file /x] *.b.test !c.b.test");
        assert_eq!(entries[1].options(), ["alpn", "h2", "ca-file", "/x"]);
        assert_eq!(entries[1].filters(), ["*.b.test", "!c.b.test"]);
        assert_eq!(entries[0].filters(), [] as [&str; 0]);
    }
}
