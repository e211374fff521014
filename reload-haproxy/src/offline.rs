//! The decision for two texts, without a HAProxy: for scripts/fuzzing.
//!
//! It calls `decision` with a note and a worker that say that the old text is the one that runs.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::config::content::text;
use crate::config::facts::facts;
use crate::config::file::Config;
use crate::config::sections::Sections;
use crate::config::words;
pub use crate::decision::Decision;
use crate::decision::{DecisionInput, Question};
use crate::haproxy::instance::Worker;
use crate::haproxy::version::Version;
use crate::servers::commands::lines;
use crate::servers::reason::Reason;
use crate::state::note::Note;

/// Decides how a HAProxy of `version` that was proven to run the file `old`, and answers `show servers state`
/// with `answer`, is brought to the file `new`. Server changes are lines of commands for its socket, and the
/// reason for a reload is as it is logged.
pub fn decide(old: &[u8], new: &[u8], answer: &str, version: &str) -> Decision<Vec<String>, String> {
    let worker = Worker { pid: 1, version: Version::parse(version), ..Worker::default() };
    let note = Note::default().renewed(&config(old), &worker);
    let config = config(new);
    let text_now = config.text();
    let layout = Sections::read(&text_now);
    let born = SystemTime::UNIX_EPOCH;
    let input = DecisionInput { config: &config, layout: &layout, worker: &worker, born, note: Some(&note) };
    let version = worker.version.ok_or(Reason::NoVersion);
    let ask = |question| match question {
        Question::Servers => Ok(answer.to_owned().into()),
        // Before 3.2 there is no list.
        Question::Keywords => Ok(String::new().into()),
    };
    match input.decide(|| Some(text(old).into_owned()), Some(ask)) {
        Decision::Nothing(how) => Decision::Nothing(how),
        Decision::Files(what) => Decision::Files(what),
        Decision::Reload(why) => Decision::Reload(why.to_string()),
        Decision::Servers(found, why) => match version.and_then(|version| lines(&found.changes, version)) {
            Ok(lines) => Decision::Servers(lines, why),
            Err(why) => Decision::Reload(why.to_string()),
        },
    }
}

fn config(bytes: &[u8]) -> Config {
    Config {
        path: PathBuf::new(),
        hash: OnceCell::new(),
        changed: SystemTime::UNIX_EPOCH,
        facts: facts(&text(bytes)),
        bytes: bytes.to_vec(),
    }
}

/// The words of a line of haproxy.cfg, and for each whether HAProxy would expand a variable in it.
pub fn words(line: &str) -> Vec<(String, bool)> {
    words::words(line).into_iter().map(|word| (word.text, word.has_variable)).collect()
}
