//! Files of `bind` and `server` lines.

use crate::config::files::named::{FileKind, NamedFiles};
use crate::config::lines::Line;
use crate::config::words::Word;

/// A certificate for clients that name no known host. HAProxy joins its name to `crt-base`.
const DEFAULT: &str = "default-crt";

/// Options with the name of a file, and what is done with it.
const OPTIONS: [(&str, FileKind); 8] = [
    ("crt", FileKind::Certificate),
    (DEFAULT, FileKind::DefaultCertificate),
    ("crt-list", FileKind::CertificateList),
    ("ca-file", FileKind::Authorities),
    ("ca-verify-file", FileKind::Authorities),
    ("crl-file", FileKind::Revocations),
    ("ca-sign-file", FileKind::Other),
    ("tls-ticket-keys", FileKind::Other),
];

impl NamedFiles {
    /// Reads the options of a line.
    pub(super) fn read_options(&mut self, line: &Line, words: &[Word]) {
        for pair in words.windows(2) {
            let Some((_, kind)) = OPTIONS.iter().find(|(option, _)| *option == pair[0].text) else {
                continue;
            };
            if pair[0].text == DEFAULT {
                self.defaults.insert(line.number, pair[1].text.clone());
            }
            // `@system-ca` is not a file.
            if !pair[1].text.starts_with('@') {
                let name = self.joined(*kind, &pair[1].text);
                self.add(*kind, name, &pair[1], line);
            } else if let Some(&place) = self.seen.get(&(FileKind::Certificate, pair[1].text.clone())) {
                // `@store/alias` is named by its `load` line already.
                self.files[place].more_lines.push(line.number);
                if pair[0].text == DEFAULT {
                    self.files[place].kind = FileKind::DefaultCertificate;
                }
            }
        }
    }

    /// The name of a file as HAProxy joins it to its base.
    pub(crate) fn joined(&self, kind: FileKind, name: &str) -> String {
        let base = match kind {
            FileKind::Certificate | FileKind::DefaultCertificate => self.bases.certificates.as_deref(),
            FileKind::Authorities | FileKind::Revocations => self.bases.authorities.as_deref(),
            _ => None,
        };
        joined(base, name)
    }
}

/// A relative name joined to its base, if there is one.
pub(super) fn joined(base: Option<&str>, name: &str) -> String {
    match base {
        Some(base) if !name.starts_with(['/', '@']) => format!("{base}/{name}"),
        _ => name.to_owned(),
    }
}
