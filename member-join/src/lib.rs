//! member-join: records the members of a Serf cluster that are in service, one file per node.
//!
//! A record holds everything about its node, so joining is an upsert: the same input twice changes nothing, and the
//! next list repairs what a lost event left undone.

mod fit;
mod whole_list;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use common::command_line;
use common::event;
use common::event::verdict::{self, Verdict};
use common::failure::{Code, Failure};
use common::member_input::{Format, InputArgs, check_event};
use common::messages::{MessageArgs, Messages};
use common::node::{Node, Tags};
use common::nodes_directory::{Change, NodesDir};
use common::records::NodesError;
use common::time_limit::TimeLimit;

use fit::{Kind, judge};

/// Record nodes that joined, by an event of Serf or by a list of Serf, Consul or any other source.
///
/// Reads a Serf event (member-join or member-update) or a whole membership on stdin and writes one record per node to
/// the nodes directory; or records one node by hand. Equal records are not written again.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Record this node by hand, with the role given by --role; stdin is not read
    #[arg(requires = "address")]
    name: Option<String>,
    /// Its IPv4 or IPv6 address
    address: Option<String>,
    /// By hand: a tag of the node; may be given more than once
    #[arg(long = "tag", value_name = "K=V", value_parser = tag, requires = "name")]
    tags: Vec<(String, String)>,
    #[command(flatten)]
    time_limit: TimeLimit,
    #[command(flatten)]
    messages: MessageArgs,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  done, or nothing to do        3  bad input; the good part has been done
  1  unexpected error              4  file system error
  2  wrong usage                   7  another run held the lock too long

Examples:
  serf agent -event-handler 'member-join,member-update=member-join'
  serf members -format=json | member-join --from serf-members
  consul watch -type=service -service=web member-join --from consul-service --role web
  member-join --nodes /nodes s1 172.18.0.3 --tag port=3000";

/// The command line, for scripts/manuals.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the program with the arguments of the process; returns its exit code.
pub fn main() -> ExitCode {
    command_line::run(
        "member-join",
        |args: &Args| (&args.time_limit, &args.messages),
        |args, messages| {
            if args.input.from == Format::SerfEvent {
                messages.sees_only_a_part();
            }
            run(&args, messages)
        },
    )
}

fn run(args: &Args, messages: &mut Messages) -> Result<(), Failure> {
    args.input.check_verdict(args.name.is_some())?;
    let mut verdict = Verdict::default();
    let nodes = match (&args.name, &args.address) {
        (Some(name), Some(address)) => vec![by_hand(args, name, address)?],
        _ if args.input.from == Format::SerfEvent => from_event(args, &mut verdict, messages)?,
        _ => whole_list::nodes(&args.input, args.input.parse_list(&args.input.read()?)?, messages),
    };
    let mut dir = NodesDir::lock(&args.input.nodes, args.input.lock_timeout)?;
    if args.input.from != Format::SerfEvent {
        dir.sweep();
    }
    if args.input.verdict {
        nodes.iter().for_each(|node| verdict.add(verdict_on(&dir, node, args)));
    }
    let mut done = Vec::new();
    for node in &nodes {
        match record(&mut dir, node, args) {
            Ok(Some(verb)) => done.push(format!("{verb} {node}")),
            Ok(None) => {}
            Err(fault) => messages.fault(fault),
        }
    }
    for fault in dir.finish() {
        messages.fault(fault);
    }
    done.iter().for_each(|line| messages.info(line));
    if args.input.verdict { verdict.print() } else { Ok(()) }
}

fn by_hand(args: &Args, name: &str, address: &str) -> Result<Node, Failure> {
    let mut tags: Tags = args.tags.iter().cloned().collect();
    if let Some(role) = args.input.role_by_hand()? {
        tags.insert("role".to_owned(), role.to_owned());
    }
    let node = Node::new(name, address, tags);
    node.map_err(|err| Failure::new(Code::Input, format!("cannot record '{name}': {err}")))
}

/// The nodes of the event on stdin, one per name. Reports an error for each other member, and lowers the verdict if the
/// event was not understood as a whole.
fn from_event(args: &Args, verdict: &mut Verdict, messages: &mut Messages) -> Result<Vec<Node>, Failure> {
    check_event(&["member-join", "member-update"])?;
    let payload = args.input.read()?;
    verdict.add_payload(&payload);
    let mut nodes = BTreeMap::new();
    for node in event::nodes(&payload) {
        match node {
            // The later of two lines for one name is newer.
            Ok(node) => match nodes.insert(node.name.clone(), node) {
                None => {}
                Some(_) => verdict.add(Verdict::Doubtful),
            },
            Err(fault) => {
                verdict.add(Verdict::Doubtful);
                messages.fault(fault);
            }
        }
    }
    Ok(nodes.into_values().collect())
}

/// Whether a node of the event fits its record.
fn verdict_on(dir: &NodesDir, node: &Node, args: &Args) -> Verdict {
    let kind = match verdict::kind().as_deref() {
        Some("member-update") => Kind::Update,
        // The agent has just started.
        _ if verdict::own_name().as_ref() == Some(&node.name) => return Verdict::Doubtful,
        _ => Kind::Join,
    };
    let Ok(old) = dir.get(&node.name) else { return Verdict::Doubtful };
    let old = old.filter(|old| args.input.wants(&old.role));
    judge(kind, old.as_ref(), dir.written_at(&node.name), node, args.input.wants(&node.role))
}

/// Records a node of a wanted role. If a node had a wanted role and now has another, removes its record. Returns what
/// was done.
fn record(dir: &mut NodesDir, node: &Node, args: &Args) -> Result<Option<&'static str>, NodesError> {
    if args.input.wants(&node.role) {
        return Ok(match dir.put(node)? {
            Change::Added => Some("recorded"),
            Change::Updated => Some("updated"),
            Change::Unchanged => None,
        });
    }
    match dir.get(&node.name)? {
        Some(old) if args.input.wants(&old.role) => Ok(dir.remove(&node.name)?.then_some("removed")),
        _ => Ok(None),
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("role", _)) => Err("give the role with --role".to_owned()),
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err("it must be KEY=VALUE".to_owned()),
    }
}
