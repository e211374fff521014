//! One look: read what is there, render it, and put it in its place if it is another text and passes.
//!
//! It keeps nothing from one time to the next, so that a program that looks again and again does each time
//! what a program that has just been started would do.

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
use crate::check_file::Scratch;
use crate::context::{self, NodeView};
use crate::diff;
use crate::output::Output;
use crate::template::{Template, TemplateError};

/// A rendered text, and what it was made of.
struct Rendered {
    text: String,
    nodes: Vec<NodeView>,
    /// The nodes that cannot be served, with the reason, by name.
    unservable: BTreeMap<String, String>,
    /// Kept only so that both can be left to the system at the end.
    _spent: (Template, Context),
}

/// What a look has seen and done.
pub(crate) struct Looked {
    /// The text as it should be, and as the output is.
    pub(crate) text: String,
    /// Whether the output was written.
    pub(crate) is_written: bool,
}

/// Looks once.
pub(crate) fn once(args: &Args, messages: &mut Messages) -> Result<Looked, Failure> {
    let output = open_output(args)?;
    let mut rendered = render(args, read_nodes(&args.nodes, messages)?)?;
    for (name, problem) in &rendered.unservable {
        messages.fault(Failure::new(Code::Input, format!("cannot serve '{name}': {problem}")));
    }
    let is_written = deliver(args, output.as_ref(), &rendered, messages)?;
    let text = mem::take(&mut rendered.text);
    if !args.watching.watch {
        // Never freed: the program ends now, and ten thousand nodes take a while to free one by one.
        mem::forget(rendered);
    }
    Ok(Looked { text, is_written })
}

/// Does with the text what was asked for; says whether it was written to the output.
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
    if output.is_settled(text) {
        return leave(args, output, messages).map(|()| false);
    }
    if args.dry_run {
        return rehearse(args, output, text, messages).map(|()| false);
    }
    write(args, output, text, messages).map(|()| true)
}

/// Opens the output, locked unless nothing will be written; `None` is stdout.
fn open_output(args: &Args) -> Result<Option<Output>, Failure> {
    let dry = args.diff || args.dry_run;
    match (args.output.as_os_str() == "-", dry) {
        (true, true) => Err(Failure::new(Code::Usage, "cannot compare with 'stdout': name an --output")),
        (true, false) => Ok(None),
        (false, true) => Ok(Some(Output::look(&args.output, &args.template)?)),
        (false, false) => Ok(Some(Output::lock(&args.output, &args.template, args.lock_timeout)?)),
    }
}

/// Reads the records, sorted by name; those that cannot be read are said and passed over.
fn read_nodes(path: &Path, messages: &mut Messages) -> Result<Vec<NodeView>, Failure> {
    let (mut nodes, faults) = read_with(path, |_| true, context::views).map_err(|err| match err {
        // Not an empty pool: a slip in --nodes would take every server out of service.
        NodesError::Io { err, .. } if err.kind() == ErrorKind::NotFound => {
            let path = path.display();
            Failure::new(
                Code::Files,
                format!("cannot read '{path}': there is no such directory; mkdir -p {path}"),
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

/// Refuses to shrink the pool below a floor, if there is a configuration to keep.
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
            let line =
                format!("cannot replace '{name}': {why}, so it stays; lower --min-nodes if this is right");
            Err(Failure::new(Code::Guard, line))
        }
    }
}

fn leave(args: &Args, output: &Output, messages: &mut Messages) -> Result<(), Failure> {
    let name = output.name().display();
    messages.verbose(format!("left '{name}' as it is: nothing changed"));
    if args.dry_run { print(&format!("would leave '{name}' as it is\n")) } else { Ok(()) }
}

/// Has the text checked and says what writing it would change.
fn rehearse(args: &Args, output: &Output, text: &str, messages: &mut Messages) -> Result<(), Failure> {
    let name = output.name().display().to_string();
    check(args, text, &name, messages)?;
    print(&format!("would write '{name}': {}\n", diff::summary(output.old().unwrap_or_default(), text)))
}

/// Stages the text, has it checked, and puts it in the output's place.
fn write(args: &Args, output: &Output, text: &str, messages: &mut Messages) -> Result<(), Failure> {
    let name = output.name().display();
    let staged = output.stage(text)?;
    let mut synced = Ok(());
    let sync = || synced = output.sync(&staged);
    check_at(args, staged.path(), text, &name.to_string(), messages, sync)?;
    synced?;
    if output.install(staged, text)? == Written::InPlace {
        messages
            .warn(format!("wrote '{name}' in place: it is a mount point, so a reader may see half of it"));
    } else {
        messages.info(format!("wrote '{name}'"));
    }
    Ok(())
}

/// Checks a text that does not get a place beside an output.
fn check(args: &Args, text: &str, name: &str, messages: &mut Messages) -> Result<(), Failure> {
    if args.check.is_none() {
        return Ok(());
    }
    let scratch = Scratch::write(text).map_err(|err| {
        Failure::new(
            Code::Files,
            format!("cannot write a file for the check to '{}': {err}", Scratch::place()),
        )
    })?;
    check_at(args, scratch.path(), text, name, messages, || {})
}

/// Has the file at `path`, which holds `text` and is known to the operator as `name`, checked, and does `work`
/// beside it.
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
    let said = check::explain(&verdict.said, path, name, text, &args.template);
    match verdict.refused {
        None => said.iter().for_each(|line| messages.info(line)),
        Some(why) => {
            let line = format!("cannot use '{name}': {why}");
            return Err(Failure::new(Code::Haproxy, line).with_more(said));
        }
    }
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|err| Failure::new(Code::Files, format!("cannot write 'stdout': {err}")))
}
