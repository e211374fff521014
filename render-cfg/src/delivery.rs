//! Prints, compares, checks or writes a rendered text, as the options ask.

use std::io::{self, Write};
use std::path::Path;

use common::failure::{Code, Failure};
use common::messages::Messages;
use common::rewrite::Written;

use crate::args::Args;
use crate::check;
use crate::check::file::CheckFile;
use crate::output::Output;
use crate::output::diff;
use crate::rendering::Text;
use crate::search::complaint::Complaint;
use crate::side_files::SideFile;

/// Why a text was not delivered.
pub(crate) enum Undelivered {
    /// The check refused the text.
    Refused(Box<(Complaint, Failure)>),
    /// Anything else.
    Other(Failure),
}

impl<F: Into<Failure>> From<F> for Undelivered {
    fn from(failure: F) -> Undelivered {
        Undelivered::Other(failure.into())
    }
}

impl Undelivered {
    /// The failure as it is reported.
    pub(crate) fn failure(self) -> Failure {
        match self {
            Undelivered::Refused(refused) => refused.1,
            Undelivered::Other(failure) => failure,
        }
    }
}

/// Opens the output, and locks it if it may be written. `None` is stdout.
pub(crate) fn open_output(args: &Args) -> Result<Option<Output>, Failure> {
    let dry = args.diff || args.dry_run;
    match (args.output.as_os_str() == "-", dry) {
        (true, true) => Err(Failure::new(Code::Usage, "cannot compare with 'stdout': give an --output")),
        (true, false) => Ok(None),
        (false, true) => Ok(Some(Output::open_unlocked(&args.output, &args.template)?)),
        (false, false) => Ok(Some(Output::lock(&args.output, &args.template, args.lock_timeout)?)),
    }
}

/// Prints, compares, checks or writes the text, as the options ask. `roles` has the role of each usable node. Returns
/// whether the output was written.
pub(crate) fn deliver<'n>(
    args: &Args,
    output: Option<&Output>,
    text: &Text,
    roles: impl Iterator<Item = &'n str> + Clone,
    messages: &mut Messages,
) -> Result<bool, Undelivered> {
    let Text { text, files, .. } = text;
    let Some(output) = output else {
        check(args, text, files, "stdout", messages)?;
        files.iter().for_each(|file| {
            messages.warn(format!(
                "did not write '{}', which the text names: give an --output",
                file.path.display()
            ));
        });
        return Ok(print(text).map(|()| false)?);
    };
    if args.diff {
        let old = output.old().unwrap_or_default();
        return Ok(print(&diff::unified(&output.name().to_string_lossy(), old, text)).map(|()| false)?);
    }
    guard(args, output, roles)?;
    if output.is_current(text) {
        if !args.dry_run {
            // One may have been removed by hand.
            output.write_beside(files)?;
        }
        return Ok(keep(args, output, messages).map(|()| false)?);
    }
    if args.dry_run {
        return rehearse(args, output, text, files, messages).map(|()| false);
    }
    let written = output.write_beside(files)?;
    write(args, output, text, messages).inspect_err(|undelivered| {
        // After another error the text may have been installed.
        if matches!(undelivered, Undelivered::Refused(_)) {
            written.remove();
        }
    })?;
    // The text is installed, so this is no failure.
    let _ = output.tidy(text).inspect_err(|err| messages.warn(err.to_string()));
    Ok(true)
}

/// Refuses to shrink the pool below --min-nodes, unless there is no output to keep.
fn guard<'n>(
    args: &Args,
    output: &Output,
    roles: impl Iterator<Item = &'n str> + Clone,
) -> Result<(), Failure> {
    if output.old().is_none_or(<[u8]>::is_empty) {
        return Ok(());
    }
    match args.min_nodes.iter().find_map(|floor| floor.shortfall(roles.clone())) {
        None => Ok(()),
        Some(why) => {
            let name = output.name().display();
            Err(Failure::new(Code::Guard, format!("cannot replace '{name}': {why}")))
        }
    }
}

fn keep(args: &Args, output: &Output, messages: &mut Messages) -> Result<(), Failure> {
    let name = output.name().display();
    messages.verbose(format!("kept '{name}': nothing changed"));
    if args.dry_run { print(&format!("would keep '{name}' as it is\n")) } else { Ok(()) }
}

/// Checks the text and prints what writing it would change.
fn rehearse(
    args: &Args,
    output: &Output,
    text: &str,
    files: &[SideFile],
    messages: &mut Messages,
) -> Result<(), Undelivered> {
    let name = output.name().display().to_string();
    check(args, text, files, &name, messages)?;
    let summary = diff::summary(output.old().unwrap_or_default(), text);
    Ok(print(&format!("would write '{name}': {summary}\n"))?)
}

/// Stages the text, checks it, and renames it over the output.
fn write(args: &Args, output: &Output, text: &str, messages: &mut Messages) -> Result<(), Undelivered> {
    let name = output.name().display();
    let staged = output.stage(text)?;
    let mut synced = Ok(());
    let sync = || synced = output.sync(&staged);
    check_at(args, staged.path(), text, &name.to_string(), messages, sync)?;
    synced?;
    if output.install(staged, text)? == Written::InPlace {
        messages.warn(format!(
            "wrote '{name}' in place: it is a mount point, so a reader may see an incomplete file"
        ));
    } else {
        messages.info(format!("wrote '{name}'"));
    }
    Ok(())
}

/// Checks a text that is not staged beside an output.
fn check(
    args: &Args,
    text: &str,
    files: &[SideFile],
    name: &str,
    messages: &mut Messages,
) -> Result<(), Undelivered> {
    if args.check.is_none() {
        return Ok(());
    }
    let file = CheckFile::write(text, files).map_err(|err| {
        Failure::new(
            Code::Files,
            format!("cannot write a file for the check in '{}': {err}", CheckFile::directory()),
        )
    })?;
    check_at(args, file.path(), file.text(), name, messages, || {})
}

/// Checks the file at `path`, which contains `text`, and does `work` meanwhile. Messages call the file `name`, as the
/// operator does.
fn check_at(
    args: &Args,
    path: &Path,
    text: &str,
    name: &str,
    messages: &mut Messages,
    work: impl FnOnce(),
) -> Result<(), Undelivered> {
    let Some(check) = &args.check else {
        work();
        return Ok(());
    };
    let verdict = check.run(path, text, args.check_timeout, work);
    let lines = check::explain(&verdict.output, path, name, text, &args.template);
    match verdict.refused {
        None => lines.iter().for_each(|line| messages.info(line)),
        Some(why) => {
            let line = format!("cannot use '{name}': {why}");
            let failure = Failure::new(Code::Haproxy, line).with_more(lines.clone());
            return Err(match verdict.is_about_the_text {
                true => Undelivered::Refused(Box::new((Complaint::of_check(why, lines), failure))),
                false => Undelivered::Other(failure),
            });
        }
    }
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|err| Failure::new(Code::Files, format!("cannot write 'stdout': {err}")))
}
