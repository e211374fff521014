//! The commands for maps and lists, in lines that HAProxy's buffer can hold.

use crate::files::lists::differences::Edit;
use crate::files::lists::list::{Entry, List, ListKind};
use crate::haproxy::commands::{escaped_with, joined};
use crate::servers::reason::Reason;

/// HAProxy's buffer takes 16 KiB unless configured, and 2.6 answers nothing at all to more.
const PAYLOAD_MAX: usize = 12 << 10;
/// Each command of a line holds up the traffic of a thread until the line is done: this many are a few milliseconds.
const LINE_MAX: usize = 4 << 10;

/// Writes the commands for one file.
#[derive(Clone, Debug)]
pub(super) struct Commands {
    /// `map` or `acl`.
    noun: &'static str,
    /// The file as a command has it.
    name: String,
}

impl Commands {
    /// Fails if no command can name the file: `#` begins a number, and `@` a version.
    pub(super) fn new(list: &List) -> Result<Commands, Reason> {
        let name = list.name;
        if name.is_empty()
            || name.starts_with(['#', '@'])
            || name.contains("<<")
            || name.contains(char::is_control)
        {
            return Err(Reason::Name);
        }
        let noun = match list.kind {
            ListKind::Map => "map",
            ListKind::Acl => "acl",
        };
        Ok(Commands { noun, name: escaped(name) })
    }

    /// Shows the entries of a version, or those that are in use.
    pub(super) fn show(&self, version: Option<u32>) -> String {
        self.command("show", version)
    }

    /// Shows all files, with their versions.
    pub(super) fn show_all(&self) -> String {
        format!("show {}", self.noun)
    }

    pub(super) fn prepare(&self) -> String {
        self.command("prepare", None)
    }

    pub(super) fn commit(&self, version: u32) -> String {
        self.command("commit", Some(version))
    }

    pub(super) fn clear(&self, version: u32) -> String {
        self.command("clear", Some(version))
    }

    pub(super) fn edit(&self, edit: &Edit) -> String {
        match edit {
            Edit::Set { id, value } => format!("{} #{id} {}", self.command("set", None), escaped(value)),
            Edit::Delete { id } => self.delete(id),
            Edit::Add(entry) => self.add(None, std::slice::from_ref(entry)).concat(),
        }
    }

    fn delete(&self, id: &str) -> String {
        format!("{} #{id}", self.command("del", None))
    }

    /// Lines that remove entries.
    pub(super) fn deletions<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Vec<String> {
        joined(ids.map(|id| self.delete(id)), LINE_MAX, ";")
    }

    /// Lines that add entries to a version, or to those that are in use.
    pub(super) fn add(&self, version: Option<u32>, entries: &[Entry]) -> Vec<String> {
        let command = self.command("add", version);
        match self.noun {
            // HAProxy takes a payload for maps only. A key without a value needs the blank.
            "map" => {
                let rows =
                    entries.iter().map(|Entry { key, value }| format!("{key} {}", value.unwrap_or_default()));
                let payloads = joined(rows, PAYLOAD_MAX, "\n").into_iter();
                payloads.map(|rows| format!("{command} <<\n{rows}\n")).collect()
            }
            _ => {
                let commands = entries.iter().map(|entry| format!("{command} {}", escaped(entry.key)));
                joined(commands, LINE_MAX, ";")
            }
        }
    }

    fn command(&self, verb: &str, version: Option<u32>) -> String {
        let Commands { noun, name } = self;
        match version {
            Some(version) => format!("{verb} {noun} @{version} {name}"),
            None => format!("{verb} {noun} {name}"),
        }
    }
}

/// A word of a command. `<` is escaped because `<<` would begin a payload anywhere in the line.
fn escaped(word: &str) -> String {
    escaped_with(word, "\t\"'#<")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(kind: ListKind, name: &str) -> Result<Commands, Reason> {
        Commands::new(&List { kind, name, bytes: b"" })
    }

    #[test]
    fn names_and_values_are_escaped() {
        let map = commands(ListKind::Map, r"/etc/a b;c\d.map").unwrap();
        assert_eq!(map.show(None), r"show map /etc/a\ b\;c\\d.map");
        let set = Edit::Set { id: "0x7f", value: r#"a b;c\"d"# };
        assert_eq!(map.edit(&set), r#"set map /etc/a\ b\;c\\d.map #0x7f a\ b\;c\\\"d"#);
        let acl = commands(ListKind::Acl, "/a").unwrap();
        assert_eq!(acl.add(Some(3), &[Entry { key: "x <<y ", value: None }]), [r"add acl @3 /a x\ \<\<y\ "]);
    }

    #[test]
    fn names_that_no_command_can_hold_are_refused() {
        for name in ["", "#1", "@1", "a\nb"] {
            assert_eq!(commands(ListKind::Map, name).err(), Some(Reason::Name), "{name:?}");
        }
    }

    #[test]
    fn the_entries_of_a_map_are_sent_as_they_are() {
        let map = commands(ListKind::Map, "/m").unwrap();
        let entries = [Entry { key: "k", value: Some(r"a\ ;b") }, Entry { key: "e", value: Some("") }];
        assert_eq!(map.add(Some(2), &entries), ["add map @2 /m <<\nk a\\ ;b\ne \n"]);
        assert_eq!(map.edit(&Edit::Add(entries[1])), "add map /m <<\ne \n");
    }

    #[test]
    fn no_line_is_longer_than_haproxys_buffer() {
        let key = "k".repeat(100);
        let entries = vec![Entry { key: &key, value: Some("v") }; 1000];
        let lines = commands(ListKind::Map, "/m").unwrap().add(Some(1), &entries);
        assert!(lines.len() > 8 && lines.iter().all(|line| line.len() < 13 << 10));
        assert_eq!(lines.iter().map(|line| line.matches(" v\n").count()).sum::<usize>(), 1000);
        let entries = vec![Entry { key: &key, value: None }; 1000];
        let lines = commands(ListKind::Acl, "/a").unwrap().add(Some(1), &entries);
        assert!(lines.len() > 20 && lines.iter().all(|line| line.len() <= LINE_MAX));
    }
}
