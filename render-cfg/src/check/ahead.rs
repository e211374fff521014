//! What is known before the text is rendered: what was checked last, and whether the check can start now.
//!
//! HAProxy needs more time to start than to check a few lines. So it starts while the records are read, and waits for the
//! text at its stdin. It can only accept the text: whatever else happens, the check runs as usual.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use common::command::Ahead;

use crate::args::Args;
use crate::check::Check;
use crate::check::memory::Memory;
use crate::command;
use crate::output::Output;

/// The path at which a program finds its stdin.
pub(crate) const STDIN: &str = "/dev/stdin";
/// A run comes sooner after the change that it is for.
const JUST_NOW: Duration = Duration::from_secs(5);

/// What is known and done before a render.
pub(crate) struct Prepared {
    /// What was checked last; `None` if that is not kept.
    pub(crate) memory: Option<Memory>,
    ahead: Cell<Option<Ahead>>,
}

impl Prepared {
    /// Reads what was checked last, and starts the check if there will probably be something to check.
    pub(crate) fn new(args: &Args, output: Option<&Output>) -> Prepared {
        let memory = args.check.as_ref().zip(args.check_changes.as_deref());
        let memory = memory.map(|(check, path)| check.memory(path));
        let is_likely = !args.diff
            && !args.dry_run
            && memory.is_some()
            && output.is_some_and(|output| has_just_changed(&args.nodes, output));
        let check = args.check.as_ref().filter(|_| is_likely);
        let ahead =
            Cell::new(check.and_then(|check| Ahead::start(&mut command::prepared(&check.at_stdin()?)).ok()));
        Prepared { memory, ahead }
    }

    /// The check that has started, once.
    pub(crate) fn take(&self) -> Option<Ahead> {
        self.ahead.take()
    }
}

impl Check {
    /// The command, for a text at its stdin; `None` if it may not be HAProxy itself, which reads a file once.
    fn at_stdin(&self) -> Option<Vec<String>> {
        let (file, others) = self.words.split_last()?;
        let is_haproxy = Path::new(&others.first()?).file_name()? == "haproxy";
        let is_last =
            file == "{}" && others.last()? == "-f" && !others.iter().any(|word| word.contains("{}"));
        (is_haproxy && is_last).then(|| others.iter().cloned().chain([STDIN.to_owned()]).collect())
    }
}

/// Whether a record was added, replaced or removed just now, after the output was written. A change that has not led to
/// another text would otherwise start a check in each later run.
fn has_just_changed(nodes: &Path, output: &Output) -> bool {
    let changed = fs::metadata(nodes).and_then(|nodes| nodes.modified()).ok();
    changed.zip(output.written_at()).is_some_and(|(changed, written)| {
        changed > written && changed.elapsed().is_ok_and(|age| age < JUST_NOW)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_haproxy_gets_the_text_at_its_stdin() {
        let at_stdin = |text: &str| Check::parse(text).unwrap().at_stdin().map(|words| words.join(" "));
        assert_eq!(
            at_stdin("/usr/sbin/haproxy -c -f x -f {}").unwrap(),
            "/usr/sbin/haproxy -c -f x -f /dev/stdin"
        );
        for other in [
            "sh -c 'haproxy -c -f \"$0\"' {}",
            "haproxy -c -f {} -q",
            "haproxy -c {} -f {}",
            "my-haproxy -c -f {}",
        ] {
            assert_eq!(at_stdin(other), None, "{other}");
        }
    }
}
