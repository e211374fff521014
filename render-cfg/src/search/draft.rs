//! The text to install, and the nodes that are left out of it.
//!
//! A node that makes the template or the check fail is left out, so that its tags do not stop the changes of the
//! others. `search/culprits.rs` has the search. It runs only after a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use common::failure::{Code, Failure};
use common::messages::Messages;

use crate::args::Args;
use crate::context::NodeView;
use crate::rendering::{Rendering, Text};
use crate::search::checks::Checks;
use crate::search::complaint::Complaint;
use crate::search::culprits::{Search, Trial};
use crate::template::error::TemplateError;

/// How long a search among renders may take. A render of one node takes less than a millisecond.
const RENDERING_MAX: Duration = Duration::from_secs(10);
/// At most this many lines of the check's output are shown for each node that is left out.
const LINES_MAX: usize = 10;

/// The text to install.
pub(crate) struct Draft {
    pub(crate) text: Text,
    /// The nodes in it, as indexes into `Rendering::nodes`.
    members: Vec<usize>,
    /// The nodes that are not served, by name.
    left_out: BTreeMap<String, LeftOut>,
}

/// Why a node is not served, and lines that help to find the fault.
#[derive(Clone, Debug, Default)]
struct LeftOut {
    reason: String,
    more: Vec<String>,
}

impl Draft {
    fn new(text: Text, members: Vec<usize>, mut left_out: BTreeMap<String, LeftOut>) -> Draft {
        for (name, reason) in &text.unservable {
            let reason = reason.clone();
            left_out.entry(name.clone()).or_insert(LeftOut { reason, more: Vec::new() });
        }
        Draft { text, members, left_out }
    }

    /// Reports the nodes that are not served, except those that were already reported for `before`.
    pub(crate) fn report(&self, before: Option<&Draft>, messages: &mut Messages) {
        let is_reported = |name: &String| before.is_some_and(|before| before.left_out.contains_key(name));
        for (name, LeftOut { reason, more }) in self.left_out.iter().filter(|(name, _)| !is_reported(name)) {
            let line = format!("cannot serve '{name}': {reason}");
            messages.fault(Failure::new(Code::Input, line).with_more(more.iter().cloned()));
        }
    }

    /// The role of each node that is served.
    pub(crate) fn roles<'n>(&self, nodes: &'n [&NodeView]) -> impl Iterator<Item = &'n str> + Clone {
        let is_served = |node: &&&NodeView| !self.left_out.contains_key(&node.name);
        nodes.iter().filter(is_served).map(|node| node.role.as_str())
    }
}

/// Renders all nodes. If the template fails because of some nodes, renders the others. `old` is the content of the
/// output.
pub(crate) fn draft(rendering: &Rendering, old: Option<&[u8]>) -> Result<Draft, TemplateError> {
    let all: Vec<usize> = (0..rendering.nodes.len()).collect();
    match rendering.text_of_all() {
        Ok(text) => Ok(Draft::new(text, all, BTreeMap::new())),
        Err(err) if err.place().is_none() => Err(err),
        Err(err) => without_failing(rendering, all, &err, old).ok_or(err),
    }
}

fn without_failing(
    rendering: &Rendering,
    all: Vec<usize>,
    err: &TemplateError,
    old: Option<&[u8]>,
) -> Option<Draft> {
    let until = Instant::now() + RENDERING_MAX;
    let trial = |members: &[usize]| -> Trial<Complaint> {
        let failed = match rendering.text(members) {
            Ok(_) => return Some(Ok(())),
            Err(err) => err,
        };
        let problem = members.last().and_then(|member| rendering.problem(&rendering.nodes[*member].name));
        (Instant::now() < until).then(|| Err(Complaint::of_render(&failed, problem)))
    };
    let search = Search::new(all.len(), Complaint::of_render(err, None), trial)
        .with_groups(rendering.with_equal_tags(&all));
    let known = names(old);
    let likely: Vec<usize> = all.iter().copied().filter(|place| is_in(&known, rendering, *place)).collect();
    // A template may count its nodes and fail. Then no node is at fault, so a culprit must fail alone.
    let culprits = search.culprits(&likely, true)?;
    without(rendering, all, culprits, BTreeMap::new(), &known)
}

/// The draft without the nodes because of which the check refuses it with `complaint`. The search ends at `until`.
pub(crate) fn without_refused(
    args: &Args,
    rendering: &Rendering,
    draft: &Draft,
    old: Option<&[u8]>,
    complaint: Complaint,
    until: Instant,
) -> Option<Draft> {
    let mut checks = Checks::begin(args, rendering, old, until)?;
    let members = draft.members.clone();
    // The text that HAProxy runs has passed the check, so the nodes in it are probably not at fault.
    let known = names(old);
    let likely: Vec<usize> =
        (0..members.len()).filter(|place| is_in(&known, rendering, members[*place])).collect();
    let trial =
        |places: &[usize]| checks.trial(&places.iter().map(|place| members[*place]).collect::<Vec<_>>());
    let groups = rendering.with_equal_tags(&members);
    let culprits =
        Search::new(members.len(), complaint, trial).with_groups(groups).culprits(&likely, false)?;
    let culprits = culprits.into_iter().map(|(place, complaint)| (members[place], complaint)).collect();
    without(rendering, members, culprits, draft.left_out.clone(), &known)
}

/// All words of a text that is in service, and so the names of its nodes. Empty without a text.
fn names(text: Option<&[u8]>) -> BTreeSet<&str> {
    words(std::str::from_utf8(text.unwrap_or_default()).unwrap_or_default()).collect()
}

/// The words of a text. A word has the characters of a node's name.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
    words.filter(|word| !word.is_empty())
}

fn is_in(known: &BTreeSet<&str>, rendering: &Rendering, member: usize) -> bool {
    known.contains(rendering.nodes[member].name.as_str())
}

/// The draft of `members` without the culprits. `None` if there are so many of them that the template is at fault.
fn without(
    rendering: &Rendering,
    members: Vec<usize>,
    culprits: Vec<(usize, Complaint)>,
    mut left_out: BTreeMap<String, LeftOut>,
    known: &BTreeSet<&str>,
) -> Option<Draft> {
    let out: BTreeSet<usize> = culprits.iter().map(|(member, _)| *member).collect();
    for (member, Complaint { line, mut more, .. }) in culprits {
        more.truncate(LINES_MAX);
        left_out.insert(rendering.nodes[member].name.clone(), LeftOut { reason: line, more });
    }
    let members: Vec<usize> = members.into_iter().filter(|member| !out.contains(member)).collect();
    if is_the_templates_fault(&rendering.nodes, &members, known) {
        return None;
    }
    let text = rendering.text(&members).ok()?;
    Some(Draft::new(text, members, left_out))
}

/// Whether the template is at fault if only `members` are left. That is so if at least half of all nodes would be left
/// out, among them every node of a role that has a node in service. A bad member must not stop the others, but a
/// mistake in the line of every server must not remove all servers. `known` has the names in service. If it is empty,
/// any role counts.
fn is_the_templates_fault(nodes: &[&NodeView], members: &[usize], known: &BTreeSet<&str>) -> bool {
    let left: BTreeSet<&str> = members.iter().map(|member| nodes[*member].role.as_str()).collect();
    let is_lost = |node: &NodeView| !left.contains(node.role.as_str());
    let is_in_service = |node: &NodeView| known.is_empty() || known.contains(node.name.as_str());
    members.len() * 2 <= nodes.len() && nodes.iter().any(|node| is_lost(node) && is_in_service(node))
}
