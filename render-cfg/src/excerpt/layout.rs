//! The lines of haproxy.cfg, with the `server` lines that a check may leave out apart from all others.
//!
//! Only a plain line is one of those: without quotes, backslashes, variables and comments, outside of `.if`, in a
//! `backend` or `listen`. All other lines are the frame, which is always checked.

/// The text that begins the revision in a `description`.
const REVISION: &str = "rollcall-";
const SECTIONS: [&str; 19] = [
    "acme",
    "backend",
    "cache",
    "crt-store",
    "defaults",
    "fcgi-app",
    "frontend",
    "global",
    "http-errors",
    "listen",
    "log-forward",
    "log-profile",
    "mailers",
    "peers",
    "program",
    "resolvers",
    "ring",
    "traces",
    "userlist",
];

/// A `server` line that a check may leave out.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerLine<'t> {
    /// Its index among all lines of the text.
    pub(super) index: usize,
    pub(super) text: &'t str,
    pub(super) name: &'t str,
    /// How many lines of the frame come before it.
    pub(super) after: usize,
    /// How many lines of the frame come before its section.
    pub(super) section: usize,
}

impl<'t> ServerLine<'t> {
    /// The words after the name.
    pub(super) fn options(&self) -> impl Iterator<Item = &'t str> {
        self.text.split_ascii_whitespace().skip(2)
    }
}

/// A configuration, taken apart.
#[derive(Debug, Default)]
pub(super) struct Layout<'t> {
    /// The lines that are neither empty, nor comments, nor in `servers`.
    pub(super) frame: Vec<&'t str>,
    pub(super) servers: Vec<ServerLine<'t>>,
}

impl<'t> Layout<'t> {
    /// Takes a text apart. `None` if HAProxy may see other sections or lines in it.
    pub(super) fn of(text: &'t str) -> Option<Layout<'t>> {
        if !text.ends_with('\n') || text.contains('\0') {
            return None;
        }
        let mut layout = Layout::default();
        let (mut section, mut has_servers, mut conditions) = (0, false, 0_usize);
        for (index, line) in text.split('\n').enumerate() {
            let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
            let first = match words.next() {
                None => continue,
                Some(first) if first.starts_with('#') => continue,
                Some(first) => first,
            };
            if first == "server" && has_servers && conditions == 0 && is_plain(line) {
                let name = words.next()?;
                let after = layout.frame.len();
                layout.servers.push(ServerLine { index, text: line, name, after, section });
                continue;
            }
            if !is_plain(first) {
                return None;
            }
            conditions = match first {
                ".if" => conditions + 1,
                ".endif" => conditions.saturating_sub(1),
                _ => conditions,
            };
            if SECTIONS.contains(&first) {
                section = layout.frame.len();
                has_servers = matches!(first, "backend" | "listen");
            }
            layout.frame.push(line);
        }
        Some(layout)
    }

    /// Whether both have the same frame, apart from the revision.
    pub(super) fn has_frame_of(&self, other: &Layout<'_>) -> bool {
        let is_same = |(ours, theirs): (&&str, &&str)| {
            ours == theirs
                || without_revision(ours).is_some_and(|line| Some(line) == without_revision(theirs))
        };
        self.frame.len() == other.frame.len() && self.frame.iter().zip(&other.frame).all(is_same)
    }
}

/// Whether HAProxy reads the words as they are written.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| {
        matches!(byte, b' '..=b'~' | b'\t') && !matches!(byte, b'"' | b'\'' | b'\\' | b'$' | b'#')
    })
}

/// What stands before and after the revision in a `description`.
fn without_revision(line: &str) -> Option<(&str, &str)> {
    let (before, after) = line.split_once(REVISION)?;
    let digits = after.bytes().take_while(u8::is_ascii_hexdigit).count();
    (before.trim_ascii() == "description" && digits == 16).then(|| (before, &after[digits..]))
}
