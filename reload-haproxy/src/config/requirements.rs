//! What a configuration requires of the host to start, apart from its addresses: open files, privileges, and
//! directories for its sockets and its pid file.
//!
//! If a keyword appears twice, HAProxy uses the first and warns of the other. So the first one is used here.

use std::path::PathBuf;

use crate::config::words::Word;

/// A value and the number of its line.
pub(crate) type Line<T> = (usize, T);

/// What a configuration requires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// `maxconn`: each connection takes two files.
    pub(crate) connections: Option<Line<u64>>,
    /// `ulimit-n`: HAProxy requests this number of files instead of computing it from `maxconn`.
    pub(crate) files: Option<Line<u64>>,
    /// `fd-hard-limit`.
    pub(crate) most_files: Option<Line<u64>>,
    /// Whether too few files are only a warning.
    pub(crate) is_lenient: bool,
    /// `user` or `uid`, as it is written.
    pub(crate) user: Option<Line<String>>,
    /// `group` or `gid`, as it is written.
    pub(crate) group: Option<Line<String>>,
    /// `pidfile`.
    pub(crate) pid_file: Option<Line<PathBuf>>,
    /// The prefix of paths on `bind` lines.
    pub(crate) prefix: Option<String>,
    /// Paths of `bind` lines, without the prefix.
    pub(crate) sockets: Vec<Line<String>>,
    /// Abstract names of `bind` lines, as the kernel lists them.
    pub(crate) names: Vec<Line<String>>,
}

/// The length of an abstract name, to which `abns@` pads it (unix(7)).
const NAME_LENGTH: usize = 108;

impl Needs {
    /// Reads the `words` of a line of `section`.
    pub(crate) fn read_line(&mut self, section: &str, line: usize, words: &[Word]) {
        if words.iter().any(|word| word.has_variable) {
            return;
        }
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        match (section, &texts[..]) {
            ("global", ["no", "strict-limits"]) => self.is_lenient = true,
            ("global", [keyword, value]) => self.read_global(keyword, value, line),
            ("global", ["unix-bind", options @ ..]) => {
                let prefix = options.windows(2).find(|pair| pair[0] == "prefix");
                self.prefix = prefix.map(|pair| pair[1].to_owned());
            }
            ("frontend" | "listen" | "peers" | "log-forward", ["bind", addresses, ..]) => {
                addresses.split(',').for_each(|address| self.read_bind(address, line));
            }
            _ => {}
        }
    }

    fn read_global(&mut self, keyword: &str, value: &str, line: usize) {
        let number = value.parse().ok().map(|number| (line, number));
        let text = || (line, value.to_owned());
        match keyword {
            "maxconn" => self.connections = self.connections.or(number),
            "ulimit-n" => self.files = self.files.or(number),
            "fd-hard-limit" => self.most_files = self.most_files.or(number),
            "user" | "uid" => drop(self.user.get_or_insert_with(text)),
            "group" | "gid" => drop(self.group.get_or_insert_with(text)),
            "pidfile" => drop(self.pid_file.get_or_insert((line, value.into()))),
            _ => {}
        }
    }

    fn read_bind(&mut self, address: &str, line: usize) {
        match address.split_once('@') {
            None if address.starts_with('/') => self.sockets.push((line, address.to_owned())),
            Some(("unix" | "uxst", path)) if path.starts_with('/') => {
                self.sockets.push((line, path.to_owned()));
            }
            Some(("abns", name)) => {
                let filled = format!("{:@<width$}", format!("@{name}"), width = NAME_LENGTH);
                self.names.push((line, filled));
            }
            Some(("abnsz", name)) => self.names.push((line, format!("@{name}"))),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::facts::facts;

    #[test]
    fn requirements_are_read_and_the_first_of_two_lines_is_used() {
        let text = "global\n maxconn 10\n maxconn 20\n ulimit-n 30\n fd-hard-limit 40\n no strict-limits\n user a\n \
                    gid 7\n pidfile /p\n unix-bind mode 600 prefix /run\n user $B\nfrontend f\n maxconn 99\n \
                    bind /a.sock,unix@/b.sock,:80\n bind abnsz@n\n bind fd@3\n .if x\n bind /c\n .endif\n";
        let needs = facts(text).needs;
        assert_eq!((needs.connections, needs.files), (Some((2, 10)), Some((4, 30))));
        assert_eq!((needs.most_files, needs.is_lenient), (Some((5, 40)), true));
        assert_eq!((needs.user, needs.group), (Some((7, "a".to_owned())), Some((8, "7".to_owned()))));
        assert_eq!((needs.pid_file, needs.prefix), (Some((9, "/p".into())), Some("/run".to_owned())));
        assert_eq!(needs.sockets, [(14, "/a.sock".to_owned()), (14, "/b.sock".to_owned())]);
        assert_eq!(needs.names, [(15, "@n".to_owned())]);
    }

    #[test]
    fn an_abstract_name_is_padded_as_haproxy_pads_it() {
        let names = facts("frontend f\n bind abns@name\n").needs.names;
        assert!(names[0].1.starts_with("@name@@@") && names[0].1.len() == 108);
    }
}
