//! A map or a list as its file has it, read as HAProxy reads it (`pat_ref_read_from_file` in pattern.c).
//!
//! A line that this program might read otherwise than HAProxy, or could not send to it, is left to a reload.

use crate::servers::reason::Reason;

/// HAProxy splits a line that is longer than its buffer. The smallest buffer that serves HTTP well is larger.
const LINE_MAX: usize = 4 << 10;
/// Stands in HAProxy's answers for bytes that are not valid UTF-8.
const UNREADABLE: char = '\u{fffd}';

/// What a file of entries is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    /// Keys with values: `map*(FILE)`, and `acl ... -M -f FILE`.
    Map,
    /// Patterns: `acl ... -f FILE`.
    Acl,
}

/// A file of entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'a> {
    pub(crate) kind: ListKind,
    /// Its name, as the configuration has it, without `file@` or `opt@`.
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// An entry. Those of an ACL have no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) value: Option<&'a str>,
}

impl<'a> List<'a> {
    /// The entries of the file, in its order. Fails if only a reload can load one of them.
    pub(super) fn entries(&self) -> Result<Vec<Entry<'a>>, Reason> {
        let lines = self.bytes.split(|byte| *byte == b'\n').enumerate();
        let unfit = |number| Reason::ListLine { path: self.name.to_owned(), line: number };
        let mut entries = Vec::new();
        for (index, line) in lines {
            if line.len() > LINE_MAX {
                return Err(unfit(index + 1));
            }
            if line.starts_with(b"#") {
                continue;
            }
            let text = std::str::from_utf8(line).ok().filter(|text| !text.contains(['\0', UNREADABLE]));
            entries.extend(entry(self.kind, text.ok_or_else(|| unfit(index + 1))?));
        }
        Ok(entries)
    }
}

/// The entry of a line; `None` if it is blank.
fn entry(kind: ListKind, line: &str) -> Option<Entry<'_>> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let line = line.trim_start_matches(BLANKS);
    // HAProxy reads no further than a carriage return.
    let line = line.split('\r').next().filter(|line| !line.is_empty())?;
    Some(match kind {
        // Blanks at the end belong to the pattern.
        ListKind::Acl => Entry { key: line, value: None },
        ListKind::Map => {
            let (key, value) = line.split_once(BLANKS).unwrap_or((line, ""));
            Entry { key, value: Some(value.trim_matches(BLANKS)) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ListKind, bytes: &[u8]) -> Result<Vec<(String, Option<String>)>, Reason> {
        let entries = List { kind, name: "/x", bytes }.entries()?;
        Ok(entries.iter().map(|entry| (entry.key.to_owned(), entry.value.map(str::to_owned))).collect())
    }

    /// What 2.6, 3.0, 3.2 and 3.4 show of such a file.
    #[test]
    fn a_map_is_read_as_haproxy_reads_it() {
        let file = "# comment\n  #key\n\n \t\n/a one two  three  \t\n/b\ttabbed value\n/a again\n/c\n/d \r\n/e with\rcr\n\
                    /f x\r\n\r\n@at v\n-dash v\n/q \"quo ted\" 'x'\n/bs back\\slash \\ \\n\n/sc a;b ; c\n/utf ü€\n/last v";
        let shown = [
            "#key=",
            "/a=one two  three",
            "/b=tabbed value",
            "/a=again",
            "/c=",
            "/d=",
            "/e=with",
            "/f=x",
            "@at=v",
            "-dash=v",
            "/q=\"quo ted\" 'x'",
            "/bs=back\\slash \\ \\n",
            "/sc=a;b ; c",
            "/utf=ü€",
            "/last=v",
        ];
        let read = read(ListKind::Map, file.as_bytes()).unwrap();
        let read: Vec<String> =
            read.iter().map(|(key, value)| format!("{key}={}", value.as_ref().unwrap())).collect();
        assert_eq!(read, shown);
    }

    #[test]
    fn a_list_keeps_the_blanks_of_its_patterns() {
        let file = b"#c\none\n  two words  \ntr\\ail;x \n\n #hash\n-dash\nONE\none\r\nend\rcut\n";
        let read = read(ListKind::Acl, file).unwrap();
        let keys: Vec<&str> = read.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["one", "two words  ", "tr\\ail;x ", "#hash", "-dash", "ONE", "one", "end"]);
        assert!(read.iter().all(|(_, value)| value.is_none()));
    }

    #[test]
    fn an_empty_file_has_no_entries() {
        assert_eq!(read(ListKind::Map, b""), Ok(vec![]));
        assert_eq!(read(ListKind::Acl, b"\n# only this\n"), Ok(vec![]));
    }

    #[test]
    fn what_haproxy_might_read_otherwise_is_left_to_a_reload() {
        let long = [b"ok v\nk ".as_slice(), &[b'x'; LINE_MAX]].concat();
        let long_comment = [b"ok v\n#".as_slice(), &[b'x'; LINE_MAX]].concat();
        for file in [
            b"ok v\nk\0 v\n".as_slice(),
            b"ok v\nk caf\xe9\n",
            "ok v\nk \u{fffd}\n".as_bytes(),
            &long,
            &long_comment,
        ] {
            let reason = Reason::ListLine { path: "/x".to_owned(), line: 2 };
            assert_eq!(read(ListKind::Map, file), Err(reason));
        }
        assert!(read(ListKind::Map, b"# caf\xe9\nk v\n").is_ok());
    }
}
