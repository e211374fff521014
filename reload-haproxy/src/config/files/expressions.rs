//! Files of rules and conditions: error pages, maps in converters, pattern files of `acl`, and what `set-map` writes.
//!
//! A converter can stand in any word of a rule, so each word is searched for it.

use crate::config::files::named::{FileKind, NamedFiles};
use crate::config::lines::Line;
use crate::config::words::Word;

/// Actions that answer a request.
const ANSWERS: [&str; 3] = ["return", "deny", "tarpit"];
/// Options of such rules whose value is a file that only a reload loads.
const RULE_FILES: [&str; 3] = ["file", "lf-file", "errorfile"];
/// Actions that change a map or a list at run time.
const WRITERS: [&str; 4] = ["set-map(", "del-map(", "add-acl(", "del-acl("];

impl NamedFiles {
    pub(super) fn read_expressions(&mut self, line: &Line, words: &[Word]) {
        match &*line.keyword {
            "errorfile" => self.read_value(line, words.get(2)),
            "filter" => self.read_after(&["config"], line, words),
            "acl" => self.read_patterns(line, words.get(3..).unwrap_or_default()),
            "http-error" => self.read_after(&RULE_FILES, line, words),
            "http-request" | "http-response" | "http-after-response"
                if words.get(1).is_some_and(|action| ANSWERS.contains(&action.text.as_str())) =>
            {
                self.read_after(&RULE_FILES, line, words);
            }
            _ => {}
        }
        let conditions = words.iter().enumerate().filter(|(_, word)| word.text == "{");
        conditions.for_each(|(at, _)| self.read_patterns(line, words.get(at + 2..).unwrap_or_default()));
        words.iter().for_each(|word| self.read_word(line, word));
    }

    fn read_value(&mut self, line: &Line, word: Option<&Word>) {
        if let Some(word) = word {
            self.add(FileKind::Other, word.text.clone(), word, line);
        }
    }

    /// Reads the value of each of these options.
    fn read_after(&mut self, options: &[&str], line: &Line, words: &[Word]) {
        // The condition is left out: it may compare with the words `file` and `config`.
        let end = words.iter().position(|word| matches!(word.text.as_str(), "if" | "unless" | "{"));
        for pair in words[..end.unwrap_or(words.len())].windows(2) {
            if options.contains(&pair[0].text.as_str()) {
                self.read_value(line, Some(&pair[1]));
            }
        }
    }

    /// Reads what follows the criterion of an `acl` or of a condition in braces: flags, then patterns.
    fn read_patterns(&mut self, line: &Line, words: &[Word]) {
        let mut flags = words.iter().peekable();
        let mut kind = FileKind::Acl;
        while let Some(flag) = flags.next_if(|word| word.text.starts_with('-') && word.text != "--") {
            match flag.text.as_str() {
                "-f" => {
                    if let Some(word) = flags.next() {
                        self.add(kind, plain(&word.text).to_owned(), word, line);
                    }
                }
                // The files that follow have keys and values, and HAProxy's socket has them among its maps.
                "-M" => kind = FileKind::Map,
                "-m" | "-u" => drop(flags.next()),
                _ => {}
            }
        }
    }

    /// Reads the converters and the actions in a word.
    fn read_word(&mut self, line: &Line, word: &Word) {
        let text = &word.text;
        if let Some(writer) = WRITERS.iter().find(|writer| text.starts_with(**writer)) {
            self.written.insert(plain(argument(&text[writer.len()..])).to_owned());
        }
        self.read_maps(line, word);
        if let Some((_, arguments)) = text.split_once("jwt_verify(") {
            let key = arguments.split_once(',').map_or("", |(_, key)| argument(key));
            // The key may also be a variable or the secret itself.
            if key.contains('/') {
                self.add(FileKind::Other, key.to_owned(), word, line);
            }
        }
    }

    /// Reads the files of `map(FILE)`, `map_beg(FILE)` and their kind.
    fn read_maps(&mut self, line: &Line, word: &Word) {
        let text = &word.text;
        for (at, _) in text.match_indices("map") {
            let is_first = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "_-.".contains(c));
            let rest = text[at + 3..].trim_start_matches(|c: char| c.is_ascii_lowercase() || c == '_');
            if let Some(arguments) = rest.strip_prefix('(').filter(|_| is_first) {
                let written = argument(arguments);
                // `virt@` has no file.
                if !written.starts_with("virt@") {
                    // HAProxy begins with an empty map if the file of `opt@` is missing.
                    let is_conditional = line.is_conditional || written.starts_with("opt@");
                    let mut line = line.clone();
                    line.is_conditional = is_conditional;
                    self.add(FileKind::Map, plain(written).to_owned(), word, &line);
                }
            }
        }
    }
}

/// The first argument of a converter, without its quotes.
fn argument(arguments: &str) -> &str {
    match arguments.chars().next() {
        Some(quote @ ('"' | '\'')) => arguments[1..].split(quote).next().unwrap_or_default(),
        _ => arguments.split([',', ')']).next().unwrap_or_default(),
    }
}

/// The name without the prefix that 3.1 and later take.
fn plain(name: &str) -> &str {
    name.strip_prefix("opt@").or_else(|| name.strip_prefix("file@")).unwrap_or(name)
}
