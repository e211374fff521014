//! member-leave: removes the records of nodes that are no longer in service.
//!
//! An event names who left. A whole membership names who is there, and everybody else goes; but a list
//! without a single node of a role is what an agent says that has just started or is cut off, and is no
//! order to empty the pool.

mod serving;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::event;
use common::failure::{Code, Failure, Fault};
use common::member_input::{Form, InputArgs, check_event};
use common::members::Member;
use common::messages::{MessageArgs, Messages};
use common::node::{Node, check_name};
use common::nodes_directory::NodesDir;
use common::records::NodesError;
use common::time_limit::TimeLimit;

/// Remove the records of nodes that left a Serf cluster.
///
/// Reads a Serf event (member-leave, member-failed or member-reap) on stdin and removes the records of
/// its members; or reads a whole membership and removes the records of all who are not in it; or removes
/// nodes by hand. Removing what is not there is success.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Believe a whole membership that has no node of a role, and remove that role's records
    #[arg(long)]
    allow_empty: bool,
    /// Names, one a line, of nodes that are seen to serve: one that Serf calls failed keeps its record
    #[arg(long, value_name = "FILE")]
    serving: Option<PathBuf>,
    /// Remove these nodes by hand, whatever their role; stdin is not read
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    time_limit: TimeLimit,
    #[command(flatten)]
    messages: MessageArgs,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  done, or nothing to do        4  the file system said no
  1  something unforeseen          6  the list has no such node; nothing of that role removed
  2  called wrongly                7  another run held the lock too long
  3  bad input; the good part
     has been done

Examples:
  serf agent -event-handler 'member-leave,member-failed,member-reap=member-leave'
  serf members -format=json | member-leave --from serf-members
  member-leave --nodes /nodes s1 s2";

fn main() -> ExitCode {
    let args = Args::parse();
    args.time_limit.start("member-leave", &args.messages);
    let mut messages = Messages::open("member-leave", &args.messages);
    let result = run(&args, &mut messages);
    messages.exit_code(result)
}

fn run(args: &Args, messages: &mut Messages) -> Result<(), Failure> {
    if args.serving.is_some() && args.input.from != Form::SerfMembers {
        // An event does not tell who failed from who left.
        return Err(Failure::new(Code::Usage, "cannot use --serving without --from serf-members"));
    }
    if !args.names.is_empty() {
        return by_hand(args, messages);
    }
    if !args.input.nodes.exists() {
        // Nobody has been recorded yet; removing makes no directory.
        return Ok(());
    }
    match args.input.from {
        Form::SerfEvent => {
            check_event(&["member-leave", "member-failed", "member-reap"])?;
            from_event(args, &args.input.read()?, messages)
        }
        Form::SerfMembers | Form::ConsulService => {
            let bytes = args.input.read()?;
            let kept = args.serving.as_deref().map(|file| serving::kept(&bytes, file)).transpose()?;
            from_list(args, &args.input.parse_list(&bytes)?, &kept.unwrap_or_default(), messages)
        }
    }
}

fn by_hand(args: &Args, messages: &mut Messages) -> Result<(), Failure> {
    let nodes = &args.input.nodes;
    if !nodes.exists() {
        let line = format!("cannot open '{}': there is no such directory; see --nodes", nodes.display());
        return Err(Failure::new(Code::Files, line));
    }
    let mut dir = lock(args)?;
    let mut done = Vec::new();
    for name in &args.names {
        match check_name(name) {
            Ok(()) => remove(&mut dir, name, &mut done, messages),
            Err(err) => messages.fault(Failure::new(Code::Input, format!("cannot remove '{name}': {err}"))),
        }
    }
    finish(dir, &done, messages)
}

fn from_event(args: &Args, payload: &[u8], messages: &mut Messages) -> Result<(), Failure> {
    let mut dir = lock(args)?;
    let mut done = Vec::new();
    for name in event::names(payload) {
        match name {
            Ok(name) if is_wanted(&dir, name, args, messages) => remove(&mut dir, name, &mut done, messages),
            Ok(_) => {}
            Err(fault) => messages.fault(fault),
        }
    }
    finish(dir, &done, messages)
}

/// Whether there is a record of that name with a wanted role. One that says nothing readable goes too.
fn is_wanted(dir: &NodesDir, name: &str, args: &Args, messages: &mut Messages) -> bool {
    match dir.get(name) {
        Ok(node) => node.is_some_and(|node| args.input.wants(&node.role)),
        Err(fault) if fault.code() == Code::Input => true,
        Err(fault) => {
            messages.fault(fault);
            false
        }
    }
}

fn from_list(
    args: &Args,
    members: &[Member],
    kept: &HashSet<String>,
    messages: &mut Messages,
) -> Result<(), Failure> {
    let mut dir = lock(args)?;
    dir.sweep();
    let (records, faults) = dir.read_except(&there(members, args))?;
    faults.into_iter().for_each(|fault| messages.fault(fault));
    let taken = if kept.is_empty() { HashSet::new() } else { serving::taken(members) };
    let mut done = Vec::new();
    for (role, gone) in by_role(&records, args) {
        let (kept, gone): (Vec<&Node>, Vec<&Node>) = gone
            .into_iter()
            .partition(|node| kept.contains(&node.name) && !taken.contains(&serving::place(node)));
        if !kept.is_empty() {
            done.push(serving::told(&kept));
        }
        // One that cannot be recorded is nobody to serve in the others' place.
        let empty = !members.iter().any(|member| member.role == role && member.node.is_ok());
        if empty && !gone.is_empty() && !args.allow_empty {
            messages.fault(Failure::new(Code::Guard, too_few(role, gone.len())));
            continue;
        }
        for node in gone {
            remove(&mut dir, &node.name, &mut done, messages);
        }
    }
    finish(dir, &done, messages)
}

/// The records of wanted roles.
fn by_role<'a>(records: &'a [Node], args: &Args) -> BTreeMap<&'a str, Vec<&'a Node>> {
    let mut roles: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in records.iter().filter(|node| args.input.wants(&node.role)) {
        roles.entry(&node.role).or_default().push(node);
    }
    roles
}

/// The names of those who are there: who announces a role that is not wanted is not. A member that cannot be recorded
/// now keeps the record that it has.
fn there<'m>(members: &'m [Member], args: &Args) -> HashSet<&'m str> {
    let is_wanted = |member: &&Member| !member.node.as_ref().is_ok_and(|node| !args.input.wants(&node.role));
    members.iter().filter(is_wanted).map(|member| member.name.as_str()).collect()
}

fn too_few(role: &str, count: usize) -> String {
    format!(
        "cannot remove the {count} of role '{role}': the list has none of them alive, as from an agent that is \
         cut off; give --allow-empty if it is true"
    )
}

fn lock(args: &Args) -> Result<NodesDir, NodesError> {
    NodesDir::lock(&args.input.nodes, args.input.lock_timeout)
}

fn remove(dir: &mut NodesDir, name: &str, done: &mut Vec<String>, messages: &mut Messages) {
    match dir.remove(name) {
        Ok(true) => done.push(format!("removed {name}")),
        Ok(false) => {}
        Err(fault) => messages.fault(fault),
    }
}

fn finish(dir: NodesDir, done: &[String], messages: &mut Messages) -> Result<(), Failure> {
    for fault in dir.finish() {
        messages.fault(fault);
    }
    done.iter().for_each(|line| messages.info(line));
    Ok(())
}
