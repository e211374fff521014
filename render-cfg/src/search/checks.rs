//! Runs the check on some of the nodes, to find those that make it fail.

use std::time::Instant;

use crate::args::Args;
use crate::check::file::CheckFile;
use crate::check::{self, Check};
use crate::rendering::Rendering;
use crate::search::complaint::Complaint;
use crate::search::culprits::Trial;

/// The most checks in one search. Each one starts a HAProxy.
const CHECKS_MAX: usize = 1000;

/// The checks of one search, and its limits.
pub(crate) struct Checks<'a> {
    args: &'a Args,
    rendering: &'a Rendering<'a>,
    check: &'a Check,
    old: Option<&'a [u8]>,
    until: Instant,
    left: usize,
}

impl<'a> Checks<'a> {
    /// Begins a search that ends at `until`. `old` is the content of the output, which has passed a check. Returns
    /// `None` if there is no `--check`.
    pub(crate) fn begin(
        args: &'a Args,
        rendering: &'a Rendering<'a>,
        old: Option<&'a [u8]>,
        until: Instant,
    ) -> Option<Checks<'a>> {
        Some(Checks { args, rendering, check: args.check.as_ref()?, old, until, left: CHECKS_MAX })
    }

    /// Renders and checks some nodes. Returns `None` if a limit is reached or the check gives no verdict.
    pub(crate) fn trial(&mut self, members: &[usize]) -> Trial<Complaint> {
        let text = match self.rendering.text(members) {
            Ok(text) => text,
            Err(err) => return Some(Err(Complaint::of_render(&err, None))),
        };
        if self.old == Some(text.text.as_bytes()) {
            return Some(Ok(()));
        }
        self.left = self.left.checked_sub(1)?;
        let timeout = self.until.checked_duration_since(Instant::now())?;
        let file = CheckFile::write(&text.text, &text.files).ok()?;
        let verdict = self.check.run(file.path(), file.text(), timeout, || {});
        let Some(why) = verdict.refused else { return Some(Ok(())) };
        let name = self.args.output.display().to_string();
        let lines = check::explain(&verdict.output, file.path(), &name, file.text(), &self.args.template);
        verdict.is_about_the_text.then(|| Err(Complaint::of_check(why, lines)))
    }
}
