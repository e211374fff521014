//! The input options of member-join and member-leave: what is on stdin, and which roles are wanted.
//!
//! Both programs read the same formats, so they share one command line.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::duration::duration;
use crate::failure::{Code, Failure};
use crate::members::{Departure, Member, MembersError};
use crate::{consul, plain_list, serf_list};

/// The list of a million members is about as large.
const INPUT_MAX: u64 = 256 << 20;

/// The format of stdin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The payload of one Serf event: the members that the event is about
    SerfEvent,
    /// The JSON of `serf members -format=json`: the whole membership
    SerfMembers,
    /// The JSON that `consul watch -type=service` passes to its handler, or that Consul's /v1/health/service/NAME
    /// returns: the whole service
    ConsulService,
    /// A JSON array with an object for each member, from any other program: the whole membership
    Members,
}

/// Options that member-join and member-leave share.
#[derive(Args, Clone, Debug)]
pub struct InputArgs {
    /// Directory of the node records
    #[arg(long, value_name = "DIR", env = "NODES_DIR", default_value = "/nodes")]
    pub nodes: PathBuf,
    /// Only nodes of this role; may be given more than once
    #[arg(long, value_name = "ROLE", default_value = "backend", conflicts_with = "any_role")]
    role: Vec<String>,
    /// Nodes of every role
    #[arg(long)]
    any_role: bool,
    /// The format of stdin
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "serf-event")]
    pub from: Format,
    /// With an event: print on stdout whether it fits the records, as 'unchanged', 'changed' or 'doubtful'
    #[arg(long)]
    pub verdict: bool,
    /// How long to wait while another run writes
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub lock_timeout: Duration,
}

impl InputArgs {
    /// Whether nodes of this role are wanted.
    pub fn wants(&self, role: &str) -> bool {
        self.any_role || self.role.iter().any(|wanted| wanted == role)
    }

    /// The wanted roles, for a message.
    pub fn wanted_roles(&self) -> String {
        self.role.join(", ")
    }

    /// The role of a node that is added by hand: the value of `--role`, or `None` with `--any-role`.
    pub fn role_by_hand(&self) -> Result<Option<&str>, Failure> {
        match &self.role[..] {
            _ if self.any_role => Ok(None),
            [role] => Ok(Some(role)),
            _ => Err(Failure::new(Code::Usage, "cannot give one node several roles: name one --role")),
        }
    }

    /// Fails if `--verdict` is given and stdin is not an event, or is not read.
    pub fn check_verdict(&self, is_by_hand: bool) -> Result<(), Failure> {
        if self.verdict && (is_by_hand || self.from != Format::SerfEvent) {
            let line = "cannot use --verdict without an event: leave out --from and names";
            return Err(Failure::new(Code::Usage, line));
        }
        Ok(())
    }

    /// Reads all of stdin.
    pub fn read(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(INPUT_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|err| Failure::new(Code::Files, format!("cannot read 'stdin': {err}")))?;
        if bytes.len() as u64 > INPUT_MAX {
            return Err(Failure::new(Code::Input, "cannot read 'stdin': it is larger than 256 MiB"));
        }
        Ok(bytes)
    }

    /// Parses a whole membership: all members in service, of any role, sorted by name.
    pub fn parse_list(&self, bytes: &[u8]) -> Result<Vec<Member>, MembersError> {
        match self.from {
            Format::ConsulService => consul::parse(bytes),
            Format::Members => plain_list::parse(bytes),
            Format::SerfMembers | Format::SerfEvent => serf_list::parse(bytes),
        }
    }

    /// Parses the members of a whole membership that are not in service, by their unchecked names.
    pub fn parse_departed(&self, bytes: &[u8]) -> Result<HashMap<String, Departure>, MembersError> {
        match self.from {
            Format::ConsulService => consul::parse_departed(bytes),
            Format::Members => plain_list::parse_departed(bytes),
            Format::SerfMembers | Format::SerfEvent => serf_list::parse_departed(bytes),
        }
    }
}

/// Fails if `SERF_EVENT` is set to an event that is not one of `mine`.
pub fn check_event(mine: &[&str]) -> Result<(), Failure> {
    match std::env::var("SERF_EVENT") {
        Ok(event) if !mine.contains(&event.as_str()) => {
            let line = format!(
                "cannot handle event '{event}' (from SERF_EVENT): it must be one of {}",
                mine.join(", ")
            );
            Err(Failure::new(Code::Usage, line))
        }
        _ => Ok(()),
    }
}
