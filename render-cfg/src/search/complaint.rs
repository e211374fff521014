//! Why a trial of some nodes failed: the error of the template or of the check.

use crate::template::error::TemplateError;

/// Why a trial failed. Two complaints are equal if they are about the same fault.
#[derive(Clone, Debug)]
pub(crate) struct Complaint {
    key: String,
    /// The reason, for the line that reports a node.
    pub(crate) line: String,
    /// Lines that help to find the fault.
    pub(crate) more: Vec<String>,
}

impl PartialEq for Complaint {
    fn eq(&self, other: &Complaint) -> bool {
        self.key == other.key
    }
}

impl Complaint {
    /// Why a check failed; `lines` is its output as it is shown. HAProxy's first alert names the fault. Its numbers are
    /// left out of the comparison, because they are a process id and the number of a line.
    pub(crate) fn of_check(why: String, lines: Vec<String>) -> Complaint {
        let lines: Vec<String> = lines.into_iter().filter(|line| !line.starts_with("[NOTICE]")).collect();
        let alert = lines.iter().find(|line| line.starts_with("[ALERT]")).or(lines.first());
        let key = alert.map(|line| line.replace(|c: char| c.is_ascii_digit(), "")).unwrap_or_default();
        Complaint { key, line: format!("with it, {why}"), more: lines }
    }

    /// Why a render failed. `problem` is the reason that the filter `server` gave, if that filter made it fail.
    pub(crate) fn of_render(err: &TemplateError, problem: Option<String>) -> Complaint {
        let (place, reason) = (err.place().unwrap_or_default(), err.reason());
        let line = problem.unwrap_or_else(|| format!("{reason} (in '{place}')"));
        Complaint { key: place, line, more: err.line().into_iter().collect() }
    }
}
