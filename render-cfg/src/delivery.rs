//! Prints, compares, checks or writes a rendered text, as the options ask.

use std::io::{self, Write};
use std::path::Path;

use common::failure::{Code, Failure};
use common::messages::Messages;
use common::rewrite::Written;

use crate::args::Args;
use crate::check::ahead::Prepared;
use crate::check::memory::Memory;
use crate::checking::{Checking, Undelivered};
use crate::output::Output;
use crate::output::diff;
use crate::rendering::Text;
use crate::side_files::SideFile;

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
    prepared: &Prepared,
    text: &Text,
    roles: impl Iterator<Item = &'n str> + Clone,
    messages: &mut Messages,
) -> Result<bool, Undelivered> {
    let Text { text, files, .. } = text;
    let Some(output) = output else {
        Checking::new(args, Path::new("stdout"), messages).text(text, files)?;
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
            if let Some(memory) = prepared.memory.as_ref().filter(|memory| memory.is_whole_check_due(text)) {
                check_again(args, output, memory, text, messages)?;
            }
        }
        return Ok(keep(args, output, messages).map(|()| false)?);
    }
    if args.dry_run {
        return rehearse(args, output, text, files, messages).map(|()| false);
    }
    let written = output.write_beside(files)?;
    write(args, output, prepared, text, messages).inspect_err(|undelivered| {
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
    let name = output.name().display();
    Checking::new(args, output.name(), messages).text(text, files)?;
    let summary = diff::summary(output.old().unwrap_or_default(), text);
    Ok(print(&format!("would write '{name}': {summary}\n"))?)
}

/// Stages the text, checks it or its excerpt, and renames it over the output.
fn write(
    args: &Args,
    output: &Output,
    prepared: &Prepared,
    text: &str,
    messages: &mut Messages,
) -> Result<(), Undelivered> {
    let name = output.name().display();
    let staged = output.stage(text)?;
    let mut synced = Ok(());
    let mut sync = Some(|| synced = output.sync(&staged));
    let mut checking = Checking::new(args, output.name(), messages);
    let memory = prepared.memory.as_ref();
    let excerpt = memory.and_then(|memory| memory.excerpt(output.old(), text));
    let is_passed = check_first(output, prepared, excerpt.as_deref(), text, &mut checking, &mut sync)?;
    if !is_passed {
        checking.text_at(staged.path(), text, || sync.into_iter().for_each(|mut sync| sync()))?;
    }
    synced?;
    if output.install(staged, text)? == Written::InPlace {
        messages.warn(format!(
            "wrote '{name}' in place: it is a mount point, so a reader may see an incomplete file"
        ));
    } else {
        messages.info(format!("wrote '{name}'"));
    }
    memory.iter().for_each(|memory| remember(memory, text, excerpt.is_none() || !is_passed, messages));
    Ok(())
}

/// Checks the excerpt, if there is one, or the whole text by a check that has started. Does the work meanwhile, once.
/// Returns whether it passes. If it does not, or if there is neither, the whole text has to be checked in its file.
fn check_first(
    output: &Output,
    prepared: &Prepared,
    excerpt: Option<&str>,
    text: &str,
    checking: &mut Checking<'_>,
    work: &mut Option<impl FnOnce()>,
) -> Result<bool, Undelivered> {
    let work = || work.take().into_iter().for_each(|work| work());
    if let Some(ahead) = prepared.take() {
        return checking.ahead(ahead, excerpt.unwrap_or(text), excerpt.is_none(), work);
    }
    // Without room for it, the whole text is checked.
    match excerpt.and_then(|excerpt| Some((output.stage_excerpt(excerpt).ok()?, excerpt))) {
        Some((file, excerpt)) => checking.excerpt_at(file.path(), excerpt, work),
        None => Ok(false),
    }
}

/// Checks the whole text, which is in the output, and of which only an excerpt was checked, if anything.
fn check_again(
    args: &Args,
    output: &Output,
    memory: &Memory,
    text: &str,
    messages: &mut Messages,
) -> Result<(), Undelivered> {
    Checking::new(args, output.name(), messages).text_at(output.path(), text, || {})?;
    remember(memory, text, true, messages);
    Ok(())
}

fn remember(memory: &Memory, text: &str, is_whole: bool, messages: &mut Messages) {
    // The text is installed, so this is no failure.
    let _ = memory.remember(text, is_whole).inspect_err(|err| {
        let path = memory.path().display();
        messages.warn(format!("cannot write '{path}': {err}; until then every check is whole"));
    });
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|err| Failure::new(Code::Files, format!("cannot write 'stdout': {err}")))
}
