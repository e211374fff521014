//! member-leave: removes the records of nodes that are no longer in service.
//!
//! An event names the members that left. A whole membership names the members that are present, and the records of the
//! others are removed, unless their servers may still serve.

mod args;
mod fate;
mod health;
mod removal;
mod replaced;
mod view;
mod waiting;
mod whole_list;

use std::process::ExitCode;

use clap::CommandFactory;
use common::command_line;
use common::event;
use common::event::verdict::{self, Verdict};
use common::failure::{Code, Failure, Fault};
use common::member_input::{Format, check_event};
use common::messages::Messages;
use common::node::check_name;
use common::nodes_directory::{NodesDir, is_missing};

use args::Args;
use removal::Removal;

/// The command line, for scripts/manuals.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the program with the arguments of the process; returns its exit code.
pub fn main() -> ExitCode {
    command_line::run(
        "member-leave",
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
    if args.serving.is_some() && args.input.from == Format::SerfEvent {
        // An event does not tell failed members from those that left.
        let line = "cannot use --serving with --from serf-event: give a whole membership, such as --from serf-members";
        return Err(Failure::new(Code::Usage, line));
    }
    args.input.check_verdict(!args.names.is_empty())?;
    if !args.names.is_empty() {
        return by_hand(args, messages);
    }
    if is_missing(&args.input.nodes)? {
        // No node has been recorded yet, and a removal does not create the directory.
        return if args.input.verdict { Verdict::Doubtful.print() } else { Ok(()) };
    }
    match args.input.from {
        Format::SerfEvent => {
            check_event(&["member-leave", "member-failed", "member-reap"])?;
            from_event(args, &args.input.read()?, messages)
        }
        Format::SerfMembers | Format::ConsulService | Format::Members => {
            whole_list::apply(args, &args.input.read()?, messages)
        }
    }
}

fn by_hand(args: &Args, messages: &mut Messages) -> Result<(), Failure> {
    let nodes = &args.input.nodes;
    if is_missing(nodes)? {
        let line = format!("cannot open '{}': no such directory; see --nodes", nodes.display());
        return Err(Failure::new(Code::Files, line));
    }
    let mut removal = Removal::begin(args)?;
    for name in &args.names {
        match check_name(name) {
            Ok(()) => removal.remove(name, messages),
            Err(err) => messages.fault(Failure::new(Code::Input, format!("cannot remove '{name}': {err}"))),
        }
    }
    removal.finish(messages);
    Ok(())
}

fn from_event(args: &Args, payload: &[u8], messages: &mut Messages) -> Result<(), Failure> {
    let mut removal = Removal::begin(args)?;
    let mut verdict = Verdict::default();
    verdict.add_payload(payload);
    // A member that failed or was forgotten may still serve, which an event does not tell.
    if verdict::kind().is_some_and(|kind| kind != "member-leave") {
        verdict.add(Verdict::Doubtful);
    }
    let own_name = verdict::own_name();
    for name in event::names(payload) {
        match name {
            Ok(name) => {
                let is_own = own_name.as_deref() == Some(name);
                verdict.add(if is_own { Verdict::Doubtful } else { Verdict::Unchanged });
                if has_wanted_record(&removal.dir, name, args, messages) {
                    verdict.add(Verdict::on_changed(removal.dir.written_at(name)));
                    removal.remove(name, messages);
                }
            }
            Err(fault) => {
                verdict.add(Verdict::Doubtful);
                messages.fault(fault);
            }
        }
    }
    removal.finish(messages);
    if args.input.verdict { verdict.print() } else { Ok(()) }
}

/// Whether the node called `name` has a record of a wanted role. A record with invalid content is removed too.
fn has_wanted_record(dir: &NodesDir, name: &str, args: &Args, messages: &mut Messages) -> bool {
    match dir.get(name) {
        Ok(node) => node.is_some_and(|node| args.input.wants(&node.role)),
        Err(fault) if fault.code() == Code::Input => true,
        Err(fault) => {
            messages.fault(fault);
            false
        }
    }
}
