//! A template and its input, from which the text of all nodes or of some of them can be rendered.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tera::Context;

use crate::args::Args;
use crate::context::{self, NodeView};
use crate::natural::sort_by_name;
use crate::side_files::SideFile;
use crate::template::Template;
use crate::template::error::TemplateError;
use crate::vars::Var;
use crate::vars_files::FileVars;

/// A template and its input.
pub(crate) struct Rendering<'n> {
    template: &'n Template,
    fixed: Context,
    vars: Vec<Var>,
    files: FileVars,
    /// The nodes, in the order of the text.
    pub(crate) nodes: Vec<&'n NodeView>,
}

/// A rendered text.
pub(crate) struct Text {
    pub(crate) text: String,
    /// The nodes that the filter `server` leaves out, with the reason for each, by name.
    pub(crate) unservable: BTreeMap<String, String>,
    /// The files that it names.
    pub(crate) files: Vec<SideFile>,
    /// What is probably wrong with it.
    pub(crate) warnings: Vec<String>,
    /// Kept only so that the caller decides whether it must be freed.
    _spent: Context,
}

impl<'n> Rendering<'n> {
    /// With these nodes, in any order.
    pub(crate) fn new(
        args: &Args,
        template: &'n Template,
        files: FileVars,
        nodes: impl Iterator<Item = &'n NodeView>,
    ) -> Rendering<'n> {
        let mut nodes: Vec<&NodeView> = nodes.collect();
        sort_by_name(&mut nodes, |node| &node.name);
        let fixed = context::fixed(&files, &args.vars);
        Rendering { template, fixed, vars: args.vars.clone(), files, nodes }
    }

    /// The text of all nodes.
    pub(crate) fn text_of_all(&self) -> Result<Text, TemplateError> {
        self.render(self.nodes.iter().copied())
    }

    /// The text of some nodes, by their places in `nodes`.
    pub(crate) fn text(&self, members: &[usize]) -> Result<Text, TemplateError> {
        self.render(members.iter().map(|member| self.nodes[*member]))
    }

    /// For each tag value of several of these members, though not of all, the members that have it, as indexes into
    /// `members`. The largest groups come first.
    pub(crate) fn with_equal_tags(&self, members: &[usize]) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (place, member) in members.iter().enumerate() {
            for tag in self.nodes[*member].tags() {
                groups.entry(tag).or_default().push(place);
            }
        }
        let is_some = |group: &Vec<usize>| (2..members.len()).contains(&group.len());
        let mut groups: Vec<Vec<usize>> = groups.into_values().filter(is_some).collect();
        groups.sort_by_key(|group| Reverse(group.len()));
        groups.dedup();
        groups
    }

    /// After a failed render: why the filter `server` left out the node `name`, if it did.
    pub(crate) fn problem(&self, name: &str) -> Option<String> {
        self.template.unservable().remove(name)
    }

    fn render<'m>(&self, nodes: impl Iterator<Item = &'m NodeView>) -> Result<Text, TemplateError> {
        let mut context = context::with_nodes(self.fixed.clone(), nodes);
        let text =
            self.template.render(&mut context).map_err(|err| err.with_origin(&self.vars, &self.files))?;
        let unservable = self.template.unservable();
        Ok(Text {
            text,
            unservable,
            files: self.template.files(),
            warnings: self.template.warnings(),
            _spent: context,
        })
    }
}
