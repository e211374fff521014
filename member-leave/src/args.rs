//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use common::duration::duration;
use common::member_input::InputArgs;
use common::messages::MessageArgs;
use common::time_limit::TimeLimit;

/// Remove the records of nodes that left, by an event of Serf or by a list of Serf, Consul or any other source.
///
/// Reads a Serf event (member-leave, member-failed or member-reap) on stdin and removes the records of its members; or
/// reads a whole membership and removes the records of all nodes that are not in it; or removes nodes by hand. Removing
/// a record that does not exist is success.
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Believe a whole membership that has no node of a role, or that lacks half of them; nodes that are up keep their
    /// records
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// Output of reload-haproxy --health, or the names of the nodes that are up; a node that is up keeps its record
    /// unless it left
    #[arg(long, value_name = "FILE")]
    pub(crate) serving: Option<PathBuf>,
    /// How long a missing node that is not up keeps its record, if its health is not known or if half of them are missing
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(crate) missing_for: Duration,
    /// Remove these nodes by hand, of any role; stdin is not read
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) time_limit: TimeLimit,
    #[command(flatten)]
    pub(crate) messages: MessageArgs,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  done, or nothing to do        4  file system error
  1  unexpected error              6  the list has no node of a role, or lacks half of
  2  wrong usage                      them; their records stay
  3  bad input; the good part      7  another run held the lock too long
     has been done

Examples:
  serf agent -event-handler 'member-leave,member-failed,member-reap=member-leave'
  serf members -format=json | member-leave --from serf-members
  member-leave --nodes /nodes s1 s2";
