//! One configuration written for several template languages, each with its data in its usual form.
//!
//! The output of the shipped template is split at its servers. The text before and after them is plain text in every
//! language. In between, each language has its own loop that prints the same lines. So the output of every renderer
//! can be compared with one text, byte for byte.

use std::fs;
use std::path::{Path, PathBuf};

use common::node::Node;
use common::records::read_all;
use common::replace::replace;
use harness::{Error, Result};
use serde_json::json;

use crate::results::timed_run::system;

const SERVER: &str = "    server ";
/// m4's quotes. The default ones occur in the text.
const QUOTES: [&str; 2] = ["<<", ">>"];

/// Template languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Jinja; Tera and MiniJinja need the same template here.
    Jinja,
    /// Handlebars.
    Handlebars,
    /// m4, with the prefix `m4_` for all built-ins.
    M4,
}

/// The configuration, and the files made from it.
#[derive(Debug)]
pub struct Subject {
    directory: PathBuf,
    head: String,
    tail: String,
    /// The text that every renderer must print.
    pub text: String,
}

impl Subject {
    /// Splits the rendered `text`, and writes the data of the nodes in `nodes` beside it.
    pub fn new(directory: &Path, text: String, nodes: &Path) -> Result<Subject> {
        let is_server = |line: &&str| line.starts_with(SERVER);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let first = lines.iter().position(&is_server);
        let last = lines.iter().rposition(is_server);
        let (Some(first), Some(last)) = (first, last) else {
            return Err(Error::Unfit("no servers in it".to_owned()));
        };
        let (head, tail) = (lines[..first].concat(), lines[last + 1..].concat());
        let subject = Subject { directory: directory.to_owned(), head, tail, text };
        let (nodes, _) = read_all(nodes).map_err(|err| Error::Unfit(err.to_string()))?;
        subject.write("data.json", &data(&nodes))?;
        subject.write("data.m4", &defines(&nodes))?;
        Ok(subject)
    }

    /// The data file for all renderers but m4, whose template includes its own.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data.json")
    }

    /// The template in a language.
    pub fn template(&self, dialect: Dialect) -> Result<PathBuf> {
        let Subject { head, tail, .. } = self;
        match dialect {
            Dialect::Jinja => self.write(
                "jinja.j2",
                &format!(
                    "{head}{{% for node in nodes %}}{SERVER}{{{{ node.name }}}} {{{{ node.address }}}}:\
                     {{{{ node.tags.port }}}} check weight {{{{ node.tags.weight }}}}\n{{% endfor %}}{tail}"
                ),
            ),
            Dialect::Handlebars => self.write(
                "handlebars.hbs",
                &format!(
                    "{head}{{{{#each nodes}}}}{SERVER}{{{{name}}}} {{{{address}}}}:{{{{tags.port}}}} check weight \
                     {{{{tags.weight}}}}\n{{{{/each}}}}{tail}"
                ),
            ),
            Dialect::M4 => {
                let [open, close] = QUOTES;
                let data = self.directory.join("data.m4");
                self.write(
                    "template.m4",
                    &format!(
                        "m4_changequote({open},{close})m4_dnl\n\
                         m4_define({open}SERVER{close},{open}{SERVER}$1 $2:$3 check weight $4{close})m4_dnl\n\
                         {head}m4_include({open}{}{close})m4_dnl\n{tail}",
                        data.display()
                    ),
                )
            }
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        fs::create_dir_all(&self.directory).map_err(system("make", &self.directory))?;
        replace(&path, text.as_bytes(), 0o600).map_err(system("write", &path))?;
        Ok(path)
    }
}

/// All nodes as one JSON file.
fn data(nodes: &[Node]) -> String {
    let node = |node: &Node| json!({"name": node.name, "address": node.address, "tags": node.tags});
    json!({"nodes": nodes.iter().map(node).collect::<Vec<_>>()}).to_string()
}

/// All nodes for m4: a macro call for each.
fn defines(nodes: &[Node]) -> String {
    let tag = |node: &Node, key: &str| node.tags.get(key).cloned().unwrap_or_default();
    let line = |node: &Node| {
        format!("SERVER({},{},{},{})\n", node.name, node.address, tag(node, "port"), tag(node, "weight"))
    };
    nodes.iter().map(line).collect()
}
