//! A look at a few of HAProxy's servers: those whose lines have changed.
//!
//! The others are as the last look at all of them left them, which was a short time ago. The answer is put into the form
//! of `show servers state`, so that the same rules judge it.

use std::fmt::Write;

use crate::config::excerpt::ChangedServer;
use crate::servers::apply::Runtime;
use crate::servers::change::{Action, Change};
use crate::servers::figures::{FEW, Figures};
use crate::servers::scope::Scope;
use crate::state::note::Parked;
use crate::state::server_ids::{ServerIds, StatId};

/// The columns of `show servers state` that are read.
const HEAD: &str =
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port\n";
/// The answer to a question by name for a server that is not there.
const NONE: &str = "No such server.";

/// A few servers, and how HAProxy is asked for them.
pub(crate) struct Few {
    servers: Vec<Expected>,
    scope: Scope,
    ids: ServerIds,
}

/// A server that is looked at.
struct Expected {
    backend: String,
    server: String,
    /// Its numbers; `None` if HAProxy should not have it.
    id: Option<StatId>,
}

impl Few {
    /// These servers; `None` if they are too many, or if the numbers of one are not known. Those that the old file or
    /// `parked` has should be there.
    pub(crate) fn new(servers: &[ChangedServer], parked: &Parked, ids: ServerIds) -> Option<Few> {
        if servers.len() > FEW {
            return None;
        }
        let expect = |changed: &ChangedServer| {
            let (backend, server) = (changed.backend.clone(), changed.server.clone());
            let key = format!("{backend}/{server}");
            let should_be_there = changed.was_there || parked.contains_key(&key);
            let id = if should_be_there { Some(ids.get(&key)?) } else { None };
            Some(Expected { backend, server, id })
        };
        let expected: Option<Vec<Expected>> = servers.iter().map(expect).collect();
        let servers = expected?;
        let keys = servers.iter().map(|server| [server.backend.clone(), server.server.clone()]);
        Some(Few { scope: Scope::Few(keys.collect()), servers, ids })
    }

    /// The servers that are compared.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.servers.len()
    }

    /// The ids of the servers of these changes; empty if one is not known.
    pub(crate) fn stat_ids(&self, changes: &[Change]) -> Vec<StatId> {
        let mut stat_ids: Vec<StatId> = Vec::new();
        for change in changes {
            match self.stat_id(change, &stat_ids) {
                Some(id) => stat_ids.push(id),
                None => return Vec::new(),
            }
        }
        stat_ids
    }

    fn stat_id(&self, change: &Change, given: &[StatId]) -> Option<StatId> {
        if !matches!(change.action, Action::Add { .. }) {
            let is_it =
                |server: &&Expected| server.backend == change.backend && server.server == change.server;
            return self.servers.iter().find(is_it)?.id;
        }
        let [backend, next] = self.ids.next(&change.backend, given)?;
        match change.forced_id() {
            Some(id) => Some([backend, id.parse().ok()?]),
            None => Some([backend, next]),
        }
    }

    fn question(&self) -> String {
        let ask = |Expected { backend, server, id }: &Expected| match id {
            Some([backend, server]) => format!(";show stat {backend} 4 {server} typed"),
            None => format!(";get weight {backend}/{server}"),
        };
        "show info".to_owned() + &self.servers.iter().map(ask).collect::<String>()
    }

    /// Their state as `show servers state` writes it; `None` if the answer does not have all, or has one that should not
    /// be there.
    pub(crate) fn rows(&self, answer: &str) -> Option<String> {
        let missing = self.servers.iter().filter(|server| server.id.is_none()).count();
        if answer.lines().filter(|line| *line == NONE).count() != missing {
            return None;
        }
        let mut rows = HEAD.to_owned();
        for Expected { backend, server, id } in &self.servers {
            let Some(id) = id else { continue };
            let figures = Figures::find(answer, id).filter(|figures| figures.are_of(backend, server))?;
            let (address, admin) = (figures.address?, u32::from(figures.is_in_maintenance()?));
            let ([backend_id, id], weight, ip, port) = (id, figures.weight?, address.ip(), address.port());
            let row = writeln!(rows, "{backend_id} {backend} {id} {server} {ip} 2 {admin} {weight} {port}");
            row.ok()?;
        }
        Some(rows + "\n")
    }
}

impl Runtime<'_> {
    /// The state of a few servers of this worker as `show servers state` writes it; `None` if it is not as expected.
    pub(crate) fn few(&self, few: &Few) -> Option<String> {
        let answer = self.ask(&few.question()).ok()?;
        self.check_info(&answer).ok()?;
        few.rows(&answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::haproxy::instance::Worker;
    use crate::servers::compare::read_rows;

    const ANSWER: &str = "Pid: 7\n\nS.3.2.0.pxname.1:KNS:str:a\nS.3.2.1.svname.1:KNS:str:s2\n\
        S.3.2.17.status.1:SGP:str:MAINT\nS.3.2.73.addr.1:CGS:str:[::1]:80\nS.3.2.99.uweight.1:MaP:u32:5\n\n\
        No such server.\n\n";

    fn few() -> Few {
        let servers = [("a/s1", ["3", "1"]), ("a/s2", ["3", "2"])].into_iter();
        let ids = ServerIds::of(&Worker::default(), servers.map(|(key, id)| (key.to_owned(), id)));
        let changed = |server: &str, was_there| ChangedServer {
            backend: "a".to_owned(),
            server: server.to_owned(),
            was_there,
        };
        let parked = Parked::from([("a/s2".to_owned(), String::new())]);
        assert!(Few::new(&vec![changed("s1", true); FEW + 1], &parked, ids.clone()).is_none());
        assert!(Few::new(&[changed("s9", true)], &parked, ids.clone()).is_none());
        Few::new(&[changed("s2", false), changed("new", false)], &parked, ids).unwrap()
    }

    #[test]
    fn servers_are_asked_for_by_number_and_missing_ones_by_name() {
        assert_eq!(few().question(), "show info;show stat 3 4 2 typed;get weight a/new");
        let removed = |server: &str| {
            let action = Action::Remove { options: None };
            Change { backend: "a".to_owned(), server: server.to_owned(), action }
        };
        assert_eq!(few().stat_ids(&[removed("s2")]), [[3, 2]]);
        assert_eq!(few().stat_ids(&[removed("s2"), removed("other")]), [] as [StatId; 0]);
    }

    #[test]
    fn the_answer_has_the_form_of_all_servers_or_is_not_used() {
        let rows = few().rows(ANSWER).unwrap();
        let rows = read_rows(&rows).unwrap();
        let found: Vec<_> =
            rows.iter().map(|row| (row.key(), row.endpoint(), row.weight, row.is_in_maintenance())).collect();
        assert_eq!(found, [("a/s2".to_owned(), "[::1]:80".parse().ok(), 5, true)]);
        for answer in [
            ANSWER.replace("No such server.", "7 (initial 7)"),
            ANSWER.replace("No such server.", "No such backend."),
            ANSWER.replace(":s2", ":s3"),
            ANSWER.replace("MAINT", "MAINT (via a/s1)"),
            ANSWER.replace("[::1]:80", "/run/x.sock"),
            ANSWER.replace("uweight", "weight"),
            ANSWER.replace("S.3.2", "S.3.3"),
            String::new(),
        ] {
            assert_eq!(few().rows(&answer), None, "{answer}");
        }
    }
}
