//! What would be done about two configurations, told from texts alone: for trials that know no HAProxy, such as
//! scripts/fuzzing. The texts go the way of `decision`, where note and worker leave it to them.

use crate::config::content::{flaw, text};
use crate::config::diff::{Difference, difference};
use crate::config::sections::Sections;
use crate::config::words;
use crate::haproxy::servers_state;
use crate::haproxy::version::Version;
use crate::servers::commands::lines;
use crate::servers::compare::{Known, changes};
use crate::state::note::Parked;

/// What would be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: HAProxy has what the file says.
    Nothing,
    /// Lines of commands to its socket, and no more.
    Servers(Vec<String>),
    /// A reload, and why.
    Reload(String),
}

/// Decides how a HAProxy of `version` that was proven to run the file `old`, and answers `show servers state`
/// with `answer`, is brought to the file `new`. Without a version or an answer that can be read it is a reload.
pub fn decide(old: &[u8], new: &[u8], answer: &str, version: &str) -> Verdict {
    let (old_text, new_text) = (text(old), text(new));
    let (before, wanted) = (Sections::read(&old_text), Sections::read(&new_text));
    if let Some(Difference::Line(line)) = difference(&before, &wanted) {
        return Verdict::Reload(line);
    }
    let is_same = old == new;
    if let Some(flaw) = flaw(new).filter(|_| !is_same) {
        return Verdict::Reload(flaw.to_string());
    }
    match commands(&before, &wanted, answer, version) {
        Ok(lines) if lines.is_empty() => Verdict::Nothing,
        Ok(lines) => Verdict::Servers(lines),
        // Nothing is lost by waiting, as in `decision`.
        Err(_) if is_same => Verdict::Nothing,
        Err(why) => Verdict::Reload(why),
    }
}

fn commands(
    before: &Sections,
    wanted: &Sections,
    answer: &str,
    version: &str,
) -> Result<Vec<String>, String> {
    let version = Version::parse(version).ok_or("no version")?;
    let rows = servers_state::parse(answer)?;
    let known = Known { layout: before, rows: &rows, parked: &Parked::new(), version };
    lines(&changes(wanted, &known)?.changes, version)
}

/// The words of a line of haproxy.cfg, and for each whether HAProxy would put a variable's value into it.
pub fn words(line: &str) -> Vec<(String, bool)> {
    words::words(line).into_iter().map(|word| (word.text, word.has_variable)).collect()
}
