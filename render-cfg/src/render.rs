//! One render: read the records, render the template, and install the text if it differs and passes the check.
//!
//! Nothing is kept from one render to the next. So each render of `--watch` does the same as a run without `--watch`.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::path::Path;

use common::failure::{Code, Failure};
use common::messages::Messages;
use common::records::{NodesError, read_with};
use common::rewrite::Written;
use tera::Context;

use crate::args::Args;
use crate::check;
use crate::check_file::CheckFile;
use crate::context::{self, NodeView};
use crate::diff;
use crate::output::Output;
use crate::template::{Template, TemplateError};

/// A rendered text and its input.
struct Rendered {
    text: String,
    nodes: Vec<NodeView>,
    /// The nodes that cannot be served, with the reason for each, by name.
    unservable: BTreeMap<String, String>,
    /// Kept only so that they need not be freed.
    _spent: (Template, Context),
}

/// The result of a render.
pub(crate) struct Outcome {
    /// The text, which is now the content of the output.
    pub(crate) text: String,
    /// Whether the output was written.
    pub(crate) is_written: bool,
}

/// Renders once.
pub(crate) fn render_once(args: &Args, messages: &mut Messages) -> Result<Outcome, Failure> {
    let output = open_output(args)?;
    let mut rendered = render(args, read_nodes(&args.nodes, messages)?)?;
    for (name, problem) in &rendered.unservable {
        messages.fault(Failure::new(Code::Input, format!("cannot serve '{name}': {problem}")));
    }
    let is_written = deliver(args, output.as_ref(), &rendered, messages)?;
    let text = mem::take(&mut rendered.text);
    if !args.watching.watch {
        // Not freed: the program ends now, and freeing ten thousand nodes takes time.
        mem::forget(rendered);
    }
    Ok(Outcome { text, is_written })
}

/// Prints, compares, checks or writes the text, as the options say. Returns whether the output was written.
fn deliver(
    args: &Args,
    output: Option<&Output>,
    rendered: &Rendered,
    messages: &mut Messages,
) -> Result<bool, Failure> {
    let Rendered { text, nodes, unservable, .. } = rendered;
    let Some(output) = output else {
        check(args, text, "stdout", messages)?;
        return print(text).map(|()| false);
    };
    if args.diff {
        let old = output.old().unwrap_or_default();
        return print(&diff::unified(&output.name().to_string_lossy(), old, text)).map(|()| false);
    }
    let usable = nodes.iter().filter(|node| !unservable.contains_key(&node.name));
    guard(args, output, usable.map(|node| node.role.as_str()))?;
    if output.is_current(text) {
        return keep(args, output, messages).map(|()| false);
    }
    if args.dry_run {
        return rehearse(args, output, text, messages).map(|()| false);
    }
    write(args, output, text, messages).map(|()| true)
}

/// Opens the output, and locks it if it may be written. `None` is stdout.
fn open_output(args: &Args) -> Result<Option<Output>, Failure> {
    let dry = args.diff || args.dry_run;
    match (args.output.as_os_str() == "-", dry) {
        (true, true) => Err(Failure::new(Code::Usage, "cannot compare with 'stdout': give an --output")),
        (true, false) => Ok(None),
        (false, true) => Ok(Some(Output::open_unlocked(&args.output, &args.template)?)),
        (false, false) => Ok(Some(Output::lock(&args.output, &args.template, args.lock_timeout)?)),
    }
}

/// Reads the records, sorted by name. Those that cannot be read are reported and skipped.
fn read_nodes(path: &Path, messages: &mut Messages) -> Result<Vec<NodeView>, Failure> {
    let (mut nodes, faults) = read_with(path, |_| true, context::views).map_err(|err| match err {
        // A missing directory is not an empty pool: a typo in --nodes would take every server out of service.
        NodesError::Io { err, .. } if err.kind() == ErrorKind::NotFound => {
            let path = path.display();
            Failure::new(
                Code::Files,
                format!("cannot read '{path}': the directory does not exist; create it with mkdir -p {path}"),
            )
        }
        err => err.into(),
    })?;
    for fault in faults {
        messages.fault(Failure::new(Code::Input, fault));
    }
    nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(nodes)
}

fn render(args: &Args, nodes: Vec<NodeView>) -> Result<Rendered, Failure> {
    let vars = args.vars.iter().cloned().collect();
    let template = Template::read(&args.template).map_err(template_failure)?;
    let mut context = context::context(&nodes, &vars);
    let text = template.render(&mut context).map_err(template_failure)?;
    let unservable = template.unservable().into_iter().collect();
    Ok(Rendered { text, nodes, unservable, _spent: (template, context) })
}

fn template_failure(err: TemplateError) -> Failure {
    let line = err.line();
    Failure::from(err).with_more(line)
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
            let line = format!(
                "cannot replace '{name}': {why}, so it is kept; lower --min-nodes if this is intended"
            );
            Err(Failure::new(Code::Guard, line))
        }
    }
}

fn keep(args: &Args, output: &Output, messages: &mut Messages) -> Result<(), Failure> {
    let name = output.name().display();
    messages.verbose(format!("kept '{name}': nothing changed"));
    if args.dry_run { print(&format!("would keep '{name}' as it is\n")) } else { Ok(()) }
}

/// Checks the text and prints what writing it would change.
fn rehearse(args: &Args, output: &Output, text: &str, messages: &mut Messages) -> Result<(), Failure> {
    let name = output.name().display().to_string();
    check(args, text, &name, messages)?;
    print(&format!("would write '{name}': {}\n", diff::summary(output.old().unwrap_or_default(), text)))
}

/// Stages the text, checks it, and renames it over the output.
fn write(args: &Args, output: &Output, text: &str, messages: &mut Messages) -> Result<(), Failure> {
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
fn check(args: &Args, text: &str, name: &str, messages: &mut Messages) -> Result<(), Failure> {
    if args.check.is_none() {
        return Ok(());
    }
    let file = CheckFile::write(text).map_err(|err| {
        Failure::new(
            Code::Files,
            format!("cannot write a file for the check in '{}': {err}", CheckFile::directory()),
        )
    })?;
    check_at(args, file.path(), text, name, messages, || {})
}

/// Checks the file at `path`, which contains `text` and which the operator calls `name`, and does `work` meanwhile.
fn check_at(
    args: &Args,
    path: &Path,
    text: &str,
    name: &str,
    messages: &mut Messages,
    work: impl FnOnce(),
) -> Result<(), Failure> {
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
            return Err(Failure::new(Code::Haproxy, line).with_more(lines));
        }
    }
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|err| Failure::new(Code::Files, format!("cannot write 'stdout': {err}")))
}
