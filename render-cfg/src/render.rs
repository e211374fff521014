//! One render: read the records, render the template, and install the text if it differs and passes the check.
//!
//! A run without `--watch` keeps nothing. A render of `--watch` gives the same text, but does not repeat the work for what
//! has not changed (see `kept.rs`).

use std::collections::{BTreeSet, HashSet};
use std::io::{self, ErrorKind};
use std::mem::{self, ManuallyDrop};
use std::thread::{self, Builder};
use std::time::Instant;

use common::failure::{Code, Failure};
use common::messages::Messages;
use common::records::{NodesError, read_with};

use crate::args::Args;
use crate::check::ahead::Prepared;
use crate::checking::Undelivered;
use crate::context::{self, NodeView};
use crate::delivery::{deliver, open_output};
use crate::kept::Kept;
use crate::output::Output;
use crate::rendering::Rendering;
use crate::search::draft::{Draft, draft, without_refused, words};
use crate::side_files::SideFiles;
use crate::template::Template;
use crate::template::error::TemplateError;
use crate::template::limits::PARSER_STACK;
use crate::vars_files::{self, FileVars};

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
    let prepared = Prepared::new(args, output.as_ref());
    let files_beside = SideFiles::of(output.as_ref().map(Output::path));
    let (records, template) = thread::scope(|scope| {
        let parse = || Template::read(&args.template, files_beside);
        let template = Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, parse)?;
        let records = read_with(&args.nodes, |_| true, context::views);
        Ok((records, template.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
    })
    .map_err(|err: io::Error| Failure::new(Code::Files, format!("cannot start a thread: {err}")))?;
    let (nodes, faults) = records.map_err(unreadable)?;
    // Not freed: the program ends now, and freeing ten thousand nodes takes time.
    let nodes = ManuallyDrop::new(nodes);
    report(faults, messages);
    let files = read_settings(args)?;
    let template = ManuallyDrop::new(template.map_err(template_failure)?);
    let rendering = ManuallyDrop::new(Rendering::new(args, &template, files, nodes.iter()));
    let (outcome, draft) = render(args, output.as_ref(), &prepared, &rendering, messages)?;
    mem::forget(draft);
    Ok(outcome)
}

/// Renders in a program that has rendered before. `kept` is what it keeps between its renders.
pub(crate) fn render_again(
    args: &Args,
    kept: &mut Kept,
    messages: &mut Messages,
) -> Result<Outcome, Failure> {
    let output = open_output(args)?;
    let prepared = Prepared::new(args, output.as_ref());
    let faults = kept.records.look(&args.nodes, context::views).map_err(unreadable)?;
    report(faults, messages);
    let files = read_settings(args)?;
    let files_beside = SideFiles::of(output.as_ref().map(Output::path));
    let template = kept.template.read(&args.template, files_beside).map_err(template_failure)?;
    let rendering = Rendering::new(args, template, files, kept.records.all());
    render(args, output.as_ref(), &prepared, &rendering, messages).map(|(outcome, _)| outcome)
}

/// Renders and installs the text. Also returns the draft, which a program that ends now need not free.
fn render(
    args: &Args,
    output: Option<&Output>,
    prepared: &Prepared,
    rendering: &Rendering,
    messages: &mut Messages,
) -> Result<(Outcome, Draft), Failure> {
    let mut draft = draft(rendering, output.and_then(Output::old)).map_err(template_failure)?;
    say_if_without_nodes(rendering, &draft, messages);
    draft.text.warnings.iter().for_each(|warning| messages.standing_warning(warning));
    let is_written = settle(args, output, prepared, rendering, &mut draft, messages)?;
    let text = mem::take(&mut draft.text.text);
    Ok((Outcome { text, is_written }, draft))
}

fn read_settings(args: &Args) -> Result<FileVars, Failure> {
    let files = vars_files::read(&args.vars_files)?;
    vars_files::refuse_unknown(args, &files).map(|()| files)
}

/// A misspelt role gives a pool without servers. But a cluster may also consist of balancers alone, so this is no fault.
fn say_if_without_nodes(rendering: &Rendering, draft: &Draft, messages: &mut Messages) {
    let (nodes, text) = (&rendering.nodes, &draft.text.text);
    if nodes.is_empty() || !messages.is_verbose() || has_one_of(text, nodes) {
        return;
    }
    let roles: BTreeSet<&str> = nodes.iter().map(|node| node.role.as_str()).collect();
    let roles: Vec<String> = roles.into_iter().map(|role| format!("'{role}'")).collect();
    messages.verbose(format!("the text contains no node; the nodes have the roles {}", roles.join(", ")));
}

/// Whether a text contains the name of a node. Nearly always it is one of the words, which are found sooner: a search for
/// each name can take seconds.
fn has_one_of(text: &str, nodes: &[&NodeView]) -> bool {
    let names: HashSet<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    words(text).any(|word| names.contains(word)) || nodes.iter().any(|node| text.contains(&node.name))
}

/// Delivers the draft. If the check refuses it because of some nodes, delivers it without them. Reports the nodes that
/// are left out in either case.
fn settle(
    args: &Args,
    output: Option<&Output>,
    prepared: &Prepared,
    rendering: &Rendering,
    draft: &mut Draft,
    messages: &mut Messages,
) -> Result<bool, Failure> {
    draft.report(None, messages);
    // The first check and the search share one time limit, because a service manager's watchdog waits meanwhile.
    let until = Instant::now() + args.check_timeout;
    let (complaint, failure) = match hand_over(args, output, prepared, rendering, draft, messages) {
        Err(Undelivered::Refused(refused)) => *refused,
        result => return result.map_err(Undelivered::failure),
    };
    // A text that is in the output and is refused now is no proof for its nodes.
    let old = output.and_then(Output::old).filter(|old| *old != draft.text.text.as_bytes());
    let Some(smaller) = without_refused(args, rendering, draft, old, complaint, until) else {
        return Err(failure);
    };
    smaller.report(Some(draft), messages);
    *draft = smaller;
    hand_over(args, output, prepared, rendering, draft, messages).map_err(Undelivered::failure)
}

fn hand_over(
    args: &Args,
    output: Option<&Output>,
    prepared: &Prepared,
    rendering: &Rendering,
    draft: &Draft,
    messages: &mut Messages,
) -> Result<bool, Undelivered> {
    deliver(args, output, prepared, &draft.text, draft.roles(&rendering.nodes), messages)
}

/// Reports the records that cannot be read. They are skipped.
fn report(faults: Vec<NodesError>, messages: &mut Messages) {
    faults.into_iter().for_each(|fault| messages.fault(Failure::new(Code::Input, fault)));
}

fn unreadable(err: NodesError) -> Failure {
    match err {
        // A missing directory is not an empty pool: a typo in --nodes would take every server out of service.
        NodesError::Io { path, err, .. } if err.kind() == ErrorKind::NotFound => {
            let path = path.display();
            Failure::new(
                Code::Files,
                format!("cannot read '{path}': the directory does not exist; create it with mkdir -p {path}"),
            )
        }
        err => err.into(),
    }
}

fn template_failure(err: TemplateError) -> Failure {
    let line = err.line();
    Failure::from(err).with_more(line)
}
