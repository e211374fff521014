//! The part of a configuration that only a reload can change: every line but comments and `server` lines.

use crate::word_splitting::{Word, words};

const SECTIONS: &str = "acme backend cache crt-store defaults fcgi-app frontend global http-errors listen log-forward \
                        log-profile mailers peers program resolvers ring traces userlist";

/// The words of all these lines, in order. The text of a `description` that contains a revision is left out, because
/// it may change. `None` if HAProxy rejects a line.
pub(crate) fn outline(config: &[u8]) -> Option<Vec<Vec<Word>>> {
    let mut outline = Vec::new();
    let (mut has_servers, mut conditions) = (false, 0_usize);
    for line in config.split(|byte| *byte == b'\n') {
        let mut words = words(line)?;
        let word = |at: usize| words.get(at).map_or(&b""[..], |(bytes, _)| bytes).to_vec();
        let (first, second) = (word(0), word(1));
        if SECTIONS.split(' ').any(|section| section.as_bytes() == first) {
            has_servers = first == b"backend" || first == b"listen";
        }
        let is_server = first == b"server" && !second.is_empty() && has_servers && conditions == 0;
        conditions = match &first[..] {
            b".if" => conditions + 1,
            b".endif" => conditions.saturating_sub(1),
            _ => conditions,
        };
        if first == b"description" && line.windows(9).any(|part| part == b"rollcall-") {
            words.truncate(1);
        }
        // HAProxy ignores a line that begins with an empty word.
        if !is_server && !first.is_empty() {
            outline.push(words);
        }
    }
    Some(outline)
}
