//! The decision for two texts, without a HAProxy: for scripts/fuzzing.
//!
//! It calls `decision` with a note and a worker that say that the old text is the one that runs.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::SystemTime;

use common::servers_state::Row;

use crate::config::content::text;
use crate::config::excerpt::excerpt;
use crate::config::facts::facts;
use crate::config::file::Config;
use crate::config::sections::Sections;
use crate::config::words;
pub use crate::decision::Decision;
use crate::decision::{Ask, Decided, DecisionInput};
use crate::haproxy::instance::Worker;
use crate::haproxy::version::Version;
use crate::servers::answer::Answer;
use crate::servers::commands::lines;
use crate::servers::compare::read_rows;
use crate::servers::few::Few;
use crate::servers::reason::Reason;
use crate::state::note::Note;
use crate::state::server_ids::ServerIds;

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
    let note = Some(&note);
    let input = DecisionInput { config: &config, layout: &layout, worker: &worker, born, note, few: None };
    written(input.decide(|| Some(text(old).into_owned()), Some(&Answers(answer))), &worker)
}

/// The same decision by the servers whose lines differ alone, of those in `answer`. Returns `None` if all servers must be
/// looked at.
pub fn decide_by_excerpt(
    old: &[u8],
    new: &[u8],
    answer: &str,
    version: &str,
) -> Option<Decision<Vec<String>, String>> {
    let worker = Worker { pid: 1, version: Version::parse(version), ..Worker::default() };
    let note = Note::default().renewed(&config(old), &worker);
    let excerpt = excerpt(&text(old), &text(new))?;
    let rows = read_rows(answer).ok()?;
    let ids = ServerIds::of(&worker, rows.iter().map(|row| (row.key(), row.ids())));
    let few = Few::new(&excerpt.servers, &note.parked, ids)?;
    let answer = few.rows(&figures(&few, &rows))?;
    let config = config(new);
    let layout = Sections::read(&excerpt.new);
    let (born, note) = (SystemTime::UNIX_EPOCH, Some(&note));
    let input =
        DecisionInput { config: &config, layout: &layout, worker: &worker, born, note, few: Some(&few) };
    match written(input.decide(|| Some(excerpt.old.clone()), Some(&Answers(&answer))), &worker) {
        Decision::Servers(lines, why) => Some(Decision::Servers(lines, why)),
        _ => None,
    }
}

/// What HAProxy answers if it is asked for these servers.
fn figures(few: &Few, rows: &[Row]) -> String {
    let mut answer = String::new();
    let asked = rows.iter().filter(|row| few.scope().has(row.backend, row.name));
    for row in asked.clone() {
        let ([backend, server], is_out) = (row.ids(), row.is_in_maintenance());
        let address = row.endpoint().map(|endpoint| endpoint.to_string()).unwrap_or_default();
        let status = if is_out { "MAINT" } else { "UP" };
        let fields = [("pxname", row.backend), ("svname", row.name), ("addr", &address), ("status", status)];
        let weight = ("uweight", &*row.weight.to_string());
        for (name, value) in fields.into_iter().chain([weight]) {
            answer += &format!("S.{backend}.{server}.0.{name}.1:KNS:str:{value}\n");
        }
    }
    answer + &"No such server.\n".repeat(few.count().saturating_sub(asked.count()))
}

/// A HAProxy that answers this to `show servers state`.
struct Answers<'a>(&'a str);

impl Ask for Answers<'_> {
    fn servers(&self) -> Result<Answer, Reason> {
        Ok(self.0.to_owned().into())
    }

    /// Before 3.2 there is no list.
    fn keywords(&self) -> Result<String, Reason> {
        Ok(String::new())
    }
}

/// A decision with the changes and the reason as texts.
fn written(decided: Decided, worker: &Worker) -> Decision<Vec<String>, String> {
    let version = worker.version.ok_or(Reason::NoVersion);
    match decided {
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
