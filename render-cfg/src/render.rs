//! One render: read the records, render the template, and install the text if it differs and passes the check.
//!
//! Nothing is kept from one render to the next. So each render of `--watch` does the same as a run without `--watch`.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::mem;
use std::path::Path;
use std::time::Instant;

use common::failure::{Code, Failure};
use common::messages::Messages;
use common::records::{NodesError, read_with};

use crate::args::Args;
use crate::checking::Undelivered;
use crate::context::{self, NodeView};
use crate::delivery::{deliver, open_output};
use crate::natural::sort_by_name;
use crate::output::Output;
use crate::rendering::Rendering;
use crate::search::draft::{Draft, draft, without_refused};
use crate::template::error::TemplateError;
use crate::vars_files;

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
    let nodes = read_nodes(&args.nodes, messages)?;
    let files = vars_files::read(&args.vars_files)?;
    vars_files::refuse_unknown(args, &files)?;
    let rendering =
        Rendering::open(args, output.as_ref().map(Output::path), files, nodes).map_err(template_failure)?;
    let mut draft = draft(&rendering, output.as_ref().and_then(Output::old)).map_err(template_failure)?;
    say_if_without_nodes(&rendering, &draft, messages);
    draft.text.warnings.iter().for_each(|warning| messages.standing_warning(warning));
    let is_written = settle(args, output.as_ref(), &rendering, &mut draft, messages)?;
    let text = mem::take(&mut draft.text.text);
    if !args.watching.watch {
        // Not freed: the program ends now, and freeing ten thousand nodes takes time.
        mem::forget((rendering, draft));
    }
    Ok(Outcome { text, is_written })
}

/// A misspelt role gives a pool without servers. But a cluster may also consist of balancers alone, so this is no fault.
fn say_if_without_nodes(rendering: &Rendering, draft: &Draft, messages: &mut Messages) {
    let nodes = &rendering.nodes;
    if nodes.is_empty() || nodes.iter().any(|node| draft.text.text.contains(&node.name)) {
        return;
    }
    let roles: BTreeSet<&str> = nodes.iter().map(|node| node.role.as_str()).collect();
    let roles: Vec<String> = roles.into_iter().map(|role| format!("'{role}'")).collect();
    messages.verbose(format!("the text contains no node; the nodes have the roles {}", roles.join(", ")));
}

/// Delivers the draft. If the check refuses it because of some nodes, delivers it without them. Reports the nodes that
/// are left out in either case.
fn settle(
    args: &Args,
    output: Option<&Output>,
    rendering: &Rendering,
    draft: &mut Draft,
    messages: &mut Messages,
) -> Result<bool, Failure> {
    draft.report(None, messages);
    // The first check and the search share one time limit, because a service manager's watchdog waits meanwhile.
    let until = Instant::now() + args.check_timeout;
    let (complaint, failure) = match hand_over(args, output, rendering, draft, messages) {
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
    hand_over(args, output, rendering, draft, messages).map_err(Undelivered::failure)
}

fn hand_over(
    args: &Args,
    output: Option<&Output>,
    rendering: &Rendering,
    draft: &Draft,
    messages: &mut Messages,
) -> Result<bool, Undelivered> {
    deliver(args, output, &draft.text, draft.roles(&rendering.nodes), messages)
}

/// Reads the records, in natural order. Records that cannot be read are reported and skipped.
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
    sort_by_name(&mut nodes, |node| &node.name);
    Ok(nodes)
}

fn template_failure(err: TemplateError) -> Failure {
    let line = err.line();
    Failure::from(err).with_more(line)
}
