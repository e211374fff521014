//! The certificates of a `crt-store` section: `load crt FILE key FILE alias NAME`.
//!
//! In a store with a name, HAProxy's socket has them as `@STORE/ALIAS`, or `@STORE/FILE` without an alias.

use crate::config::files::named::{FileKind, NamedFile, NamedFiles};
use crate::config::files::options::joined;
use crate::config::files::settings::Store;
use crate::config::lines::Line;
use crate::config::words::Word;

impl NamedFiles {
    pub(super) fn read_stored(&mut self, line: &Line, words: &[Word]) {
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        match &texts[..] {
            ["crt-store", rest @ ..] => {
                let name = rest.first().copied().unwrap_or_default().to_owned();
                let (certificates, keys) = (self.bases.certificates.clone(), self.bases.keys.clone());
                self.store = Store { name, certificates, keys };
            }
            ["crt-base", base] => self.store.certificates = Some((*base).to_owned()),
            ["key-base", base] => self.store.keys = Some((*base).to_owned()),
            ["load", options @ ..] if !words.iter().any(|word| word.has_variable) => {
                self.store.load(line, options).into_iter().for_each(|file| self.push(file));
            }
            ["load", ..] => self.unresolved.push((line.number, line.text.trim().to_owned())),
            _ => {}
        }
    }
}

impl Store {
    fn load(&self, line: &Line, options: &[&str]) -> Option<NamedFile> {
        let value = |option: &str| options.chunks(2).find(|pair| pair[0] == option)?.get(1).copied();
        let certificates = self.certificates.as_deref();
        let written = value("crt")?;
        let path = joined(certificates, written);
        let base =
            |option| if option == "key" { self.keys.as_deref().or(certificates) } else { certificates };
        let beside = ["key", "ocsp", "issuer", "sctl"];
        let beside =
            beside.into_iter().filter_map(|option| Some((option, joined(base(option), value(option)?))));
        Some(NamedFile {
            kind: FileKind::Certificate,
            name: match (self.name.as_str(), value("alias")) {
                ("", None) => path.clone(),
                (store, alias) => format!("@{store}/{}", alias.unwrap_or(written)),
            },
            beside: beside.collect(),
            path,
            line: line.number,
            more_lines: Vec::new(),
            is_conditional: line.is_conditional,
        })
    }
}
