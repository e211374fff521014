//! Files of `global` and `acme`, and its settings for all files.

use crate::config::files::named::{FileKind, NamedFiles};
use crate::config::files::settings::default_path;
use crate::config::lines::Line;
use crate::config::words::Word;

/// Keywords of `global` with a file that only a reload loads.
const FILES: [&str; 10] = [
    "lua-load",
    "lua-load-per-thread",
    "ssl-dh-param-file",
    "issuers-chain-path",
    "h1-case-adjust-file",
    "51degrees-data-file",
    "deviceatlas-json-file",
    "wurfl-data-file",
    "httpclient.ssl.ca-file",
    "httpclient-ssl-ca-file",
];

impl NamedFiles {
    pub(super) fn read_settings(&mut self, line: &Line, words: &[Word]) {
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        match (line.section, &texts[..]) {
            ("global", ["crt-base", base]) => self.bases.certificates = Some((*base).to_owned()),
            ("global", ["key-base", base]) => self.bases.keys = Some((*base).to_owned()),
            ("global", ["ca-base", base]) => self.bases.authorities = Some((*base).to_owned()),
            ("global", ["default-path", rest @ ..]) => self.default_path = default_path(rest),
            ("global", ["ssl-load-extra-del-ext"]) => self.extra.replaces_crt = true,
            ("global", ["ssl-load-extra-files", kinds @ ..]) => self.extra.read(kinds),
            ("global", [keyword, name, ..]) if FILES.contains(keyword) => {
                self.add(FileKind::Other, (*name).to_owned(), &words[1], line);
            }
            ("acme", ["account-key", name]) => {
                self.add(FileKind::Other, (*name).to_owned(), &words[1], line);
            }
            _ => {}
        }
    }
}
