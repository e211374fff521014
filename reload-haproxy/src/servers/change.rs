//! A change of one server, and how it is logged.

use std::fmt::{self, Display};

use crate::config::server::ServerOptions;
use crate::config::server_keywords::listed_keywords;
use crate::servers::reason::Reason;
use crate::servers::scope::Scope;
use crate::state::note::Parked;
use crate::state::server_ids::StatId;

/// A change of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change<'t> {
    pub(crate) backend: String,
    pub(crate) server: String,
    pub(crate) action: Action<'t>,
}

/// What is done with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action<'t> {
    /// HAProxy does not have it.
    Add { settings: ServerOptions<'t>, has_dynamic_cookie: bool },
    /// HAProxy has it at another address.
    Move { settings: ServerOptions<'t> },
    /// HAProxy has it in maintenance: it was parked or disabled.
    Return { settings: ServerOptions<'t> },
    /// It has another weight or limit.
    Tune { weight: Option<u32>, maxconn: Option<u32> },
    /// The line has `disabled`.
    Disable { settings: ServerOptions<'t> },
    /// The file does not have it. Its options are known if the last file had it.
    Remove { options: Option<String> },
}

/// The changes to make, and what is left although the file does not say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes<'t> {
    pub(crate) changes: Vec<Change<'t>>,
    /// Servers that were put into maintenance by hand, as `backend/server`.
    pub(crate) in_maintenance: Vec<String>,
    /// Removed servers that are still parked, as `backend/server`.
    pub(crate) parked: Vec<String>,
    /// Whether a server is added with options that no other server has: HAProxy may reject them.
    pub(crate) is_untried: bool,
    /// The ids of the changed servers, if they are few.
    pub(crate) stat_ids: Vec<StatId>,
    /// The servers that were compared.
    pub(crate) scope: Scope,
}

impl Display for Changes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count =
            |is_one: fn(&Action) -> bool| self.changes.iter().filter(|change| is_one(&change.action)).count();
        let added = count(|action| matches!(action, Action::Add { .. }));
        let removed = count(|action| matches!(action, Action::Remove { .. }));
        let changed = self.changes.len() - added - removed;
        write!(f, "+{added} -{removed} ~{changed} servers")
    }
}

impl Changes<'_> {
    /// A line for each change. Removed servers in `parked` were not deleted.
    pub(crate) fn lines(&self, parked: &Parked) -> Vec<String> {
        let rest =
            |change: &Change| if parked.contains_key(&change.key()) { ", parked in maintenance" } else { "" };
        let done = self.changes.iter().map(|change| format!("{change}{}", rest(change)));
        let left = self.in_maintenance.iter();
        done.chain(left.map(|key| format!("server {key} stays in maintenance, where it was put by hand")))
            .collect()
    }

    /// Fails if an added server has a keyword that HAProxy's answer to `add server help` lacks. Passes if it does
    /// not list its keywords.
    pub(crate) fn check_keywords(&self, answer: &str) -> Result<(), Reason> {
        let Some(known) = listed_keywords(answer) else { return Ok(()) };
        for change in &self.changes {
            let Action::Add { settings, .. } = &change.action else { continue };
            if let Some(keyword) = settings.options.keywords().find(|keyword| !known.contains(keyword)) {
                return Err(Reason::KeywordVersion(keyword.to_owned())
                    .of_server(&change.server, &format!("backend {}", change.backend)));
            }
        }
        Ok(())
    }
}

impl Change<'_> {
    /// The `id` that the file gives to a server that is added.
    pub(crate) fn forced_id(&self) -> Option<&str> {
        match &self.action {
            Action::Add { settings, .. } => settings.options.value("id"),
            _ => None,
        }
    }
}

/// What was done, for people.
impl Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { backend, server, action } = self;
        write!(f, "server {backend}/{server} ")?;
        match action {
            Action::Add { settings, .. } => write!(f, "added at {}", settings.endpoint),
            Action::Return { settings } => write!(f, "back at {}", settings.endpoint),
            Action::Move { settings } => write!(f, "moved to {}", settings.endpoint),
            Action::Tune { weight, maxconn } => {
                let weight = weight.map(|weight| format!("weight {weight}"));
                let maxconn = maxconn.map(|maxconn| format!("maxconn {maxconn}"));
                f.write_str(&weight.into_iter().chain(maxconn).collect::<Vec<_>>().join(", "))
            }
            Action::Disable { .. } => f.write_str("disabled"),
            Action::Remove { .. } => f.write_str("removed"),
        }
    }
}
