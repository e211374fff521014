//! The lines of haproxy.cfg, with the `server` lines that a check may leave out apart from all others.
//!
//! Only a plain line is one of those: without quotes, backslashes, variables and comments, outside of `.if`, in a
//! `backend` or `listen`. All other lines are the frame, which is always checked.

use common::config_sections::section_kind;

/// The text that begins the revision in a `description`.
const REVISION: &str = "rollcall-";

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

/// A configuration, taken apart piece by piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout<'t> {
    /// The lines that are neither empty, nor comments, nor in `servers`. A fork lacks those that came before it.
    pub(super) frame: Vec<&'t str>,
    pub(super) servers: Vec<ServerLine<'t>>,
    /// How many lines of the frame came before the first of `frame`.
    before: usize,
    /// How many lines there are.
    lines: usize,
    /// How many lines of the frame came before the present section.
    section: usize,
    /// Whether the present section can have servers.
    has_servers: bool,
    /// How many `.if` are open.
    conditions: usize,
}

impl<'t> Layout<'t> {
    /// Adds the next lines of the text, all of them whole. `None` if HAProxy may see other sections or lines in them.
    pub(super) fn add(&mut self, piece: &'t str) -> Option<()> {
        for line in piece.split_terminator('\n') {
            self.add_line(line)?;
            self.lines += 1;
        }
        Some(())
    }

    fn add_line(&mut self, line: &'t str) -> Option<()> {
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let first = match words.next() {
            None => return Some(()),
            Some(first) if first.starts_with('#') => return Some(()),
            Some(first) => first,
        };
        let after = self.before + self.frame.len();
        if first == "server" && self.has_servers && self.conditions == 0 && is_plain(line) {
            let (name, section) = (words.next()?, self.section);
            self.servers.push(ServerLine { index: self.lines, text: line, name, after, section });
            return Some(());
        }
        // The servers that inherit a reference are not known here, and with `zero-warning` each warning counts.
        if !is_plain(first) || first == "zero-warning" || first == "default-server" && may_refer(line) {
            return None;
        }
        self.conditions = match first {
            ".if" => self.conditions + 1,
            ".endif" => self.conditions.saturating_sub(1),
            _ => self.conditions,
        };
        if let Some(kind) = section_kind(first) {
            if self.conditions > 0 {
                return None;
            }
            self.section = after;
            self.has_servers = matches!(kind, "backend" | "listen");
        }
        self.frame.push(line);
        Some(())
    }

    /// A layout without lines, at the same place of a text.
    pub(super) fn fork<'o>(&self) -> Layout<'o> {
        let before = self.before + self.frame.len();
        let Layout { lines, section, has_servers, conditions, .. } = *self;
        Layout { frame: Vec::new(), servers: Vec::new(), before, lines, section, has_servers, conditions }
    }
}

/// Whether both lists of lines are the same, apart from the revision.
pub(super) fn is_same_frame(ours: &[&str], theirs: &[&str]) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| is_same_line(ours, theirs))
}

/// The same for two lines.
pub(super) fn is_same_line(ours: &str, theirs: &str) -> bool {
    ours == theirs || without_revision(ours).is_some_and(|line| Some(line) == without_revision(theirs))
}

/// Whether a line may name another server: with `track`, or in an expression.
pub(super) fn may_refer(line: &str) -> bool {
    ["(", "track", "sni", "pool-conn-name", "tlv"].iter().any(|part| line.contains(part))
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
