//! Members as a whole membership lists them, whichever program printed the list.
//!
//! One bad member must not cost the others, so each of them is a node or an error of its own.

use thiserror::Error;

use crate::failure::{Code, Fault};
use crate::messages::excerpt;
use crate::node::{Node, NodeError, Tags};

/// Why a list, or one member of it, cannot be used.
#[derive(Debug, Error)]
pub enum MembersError {
    /// The input is not such a list. Its beginning is shown, because Serf prints its errors to stdout.
    #[error("cannot read the {list}: {err}; it begins with '{}'", excerpt(.beginning))]
    Json {
        /// Which kind of list it should be.
        list: &'static str,
        /// The parser's error, with line and column.
        err: String,
        /// The first bytes of the input.
        beginning: Vec<u8>,
    },
    /// One entry is not a member.
    #[error("cannot read entry {entry} of the {list}: {err}")]
    Entry {
        /// Which kind of list it is in.
        list: &'static str,
        /// Counted from 1.
        entry: usize,
        /// The parser's error.
        err: String,
    },
    /// The JSON is not a service's health as Consul prints it.
    #[error(
        "cannot use the list of consul services: it does not have each instance with its node and checks; pass the JSON \
         of `consul watch -type=service -service=NAME`, or of Consul's /v1/health/service/NAME"
    )]
    NotHealth,
    /// An instance in Consul cannot be recorded.
    #[error(
        "cannot record '{}/{}' of the list of consul services: {err}; {remedy}",
        excerpt(.node.as_bytes()), excerpt(.id.as_bytes())
    )]
    Instance {
        /// Its node's name, unchecked.
        node: String,
        /// Its service id, unchecked.
        id: String,
        /// Which field, and why.
        err: NodeError,
        /// What to do.
        remedy: &'static str,
    },
    /// One value of a member cannot be recorded. The member is recorded without it.
    #[error("cannot use {what} of '{name}': {why}; the node is recorded {recorded}")]
    Value {
        /// Which value, as it is named in the message.
        what: String,
        /// The name of the node, which passed the whitelist.
        name: String,
        /// The reason.
        why: String,
        /// How the node is recorded instead.
        recorded: &'static str,
    },
    /// Two different members have one name.
    #[error("cannot record '{name}' of the {list}: two different members have that name")]
    Twice {
        /// Which kind of list it is in.
        list: &'static str,
        /// The name, made printable.
        name: String,
    },
    /// One member breaks the whitelist.
    #[error("cannot record '{}' of the {list}: {err}", excerpt(.name.as_bytes()))]
    Member {
        /// Which kind of list it is in.
        list: &'static str,
        /// Its name, unchecked.
        name: String,
        /// Which field, and why.
        err: NodeError,
    },
}

impl Fault for MembersError {
    fn code(&self) -> Code {
        Code::Input
    }
}

/// How a list has a member that is not in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It does not answer gossip. It may still serve.
    Failed,
    /// It must not serve now: a check of its own is critical, or it is in maintenance.
    OutOfService,
    /// The member or an operator has said that it leaves.
    Left,
}

/// A member that is in service.
#[derive(Debug)]
pub struct Member {
    /// Its name, unchecked.
    pub name: String,
    /// Its role, unchecked.
    pub role: String,
    /// The node, or why the member cannot be one.
    pub node: Result<Node, MembersError>,
    /// An error for each value that the node is recorded without.
    pub left_out: Vec<MembersError>,
}

impl Member {
    /// Checks what a member of `list` announced.
    pub(crate) fn new(list: &'static str, name: String, address: &str, tags: Tags) -> Member {
        let role = tags.get("role").cloned().unwrap_or_default();
        let node = Node::new(&name, address, tags);
        let node = node.map_err(|err| MembersError::Member { list, name: name.clone(), err });
        Member { name, role, node, left_out: Vec::new() }
    }

    /// A member of which at most the name can be read.
    pub(crate) fn unreadable(
        list: &'static str,
        entry: usize,
        name: String,
        err: &serde_json::Error,
    ) -> Member {
        let err = excerpt(err.to_string().as_bytes()).to_string();
        let node = Err(MembersError::Entry { list, entry, err });
        Member { name, role: String::new(), node, left_out: Vec::new() }
    }

    /// Rejects this member if `other`, which has its name, is another one.
    fn merge(&mut self, list: &'static str, other: &Member) {
        let is_same = match (&self.node, &other.node) {
            (Ok(one), Ok(other)) => one == other,
            (Err(one), Err(other)) => one.to_string() == other.to_string(),
            _ => false,
        };
        if is_same {
            return;
        }
        if self.role != other.role {
            // An empty role is always reported.
            self.role.clear();
        }
        self.left_out.clear();
        self.node = Err(MembersError::Twice { list, name: excerpt(self.name.as_bytes()).to_string() });
    }
}

/// Sorts `members` by name and leaves one of each name. If different members have one name, none of them is recorded.
/// Serf and Consul never list such members, but a list comes from the network and may be forged. Entries without a
/// name are kept, because each has an error of its own.
pub(crate) fn unique(list: &'static str, mut members: Vec<Member>) -> Vec<Member> {
    // Stable, so that of two equal members the first stays.
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let mut unique: Vec<Member> = Vec::with_capacity(members.len());
    for member in members {
        match unique.last_mut() {
            Some(first) if first.name == member.name && !member.name.is_empty() => first.merge(list, &member),
            _ => unique.push(member),
        }
    }
    unique
}

pub(crate) fn json_error(list: &'static str, err: &str, json: &[u8]) -> MembersError {
    let beginning = json[..json.len().min(160)].trim_ascii().to_vec();
    MembersError::Json { list, err: excerpt(err.as_bytes()).to_string(), beginning }
}
