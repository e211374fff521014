//! Reads back a few changed servers by their figures, without all the others.
//!
//! The id of an added server is predicted: HAProxy assigns the lowest free one. If an answer does not match, all servers
//! are read.

use common::servers_state::Row;

use crate::config::server::ServerOptions;
use crate::servers::change::{Action, Change, Changes};
use crate::servers::figures::{FEW, Figures};
use crate::state::note::Parked;
use crate::state::server_ids::StatId;

/// The ids of the changed servers in a HAProxy that has `rows`; empty if there are too many or one cannot be
/// predicted.
pub(crate) fn stat_ids(changes: &[Change], rows: &[Row]) -> Vec<StatId> {
    if changes.len() > FEW {
        return Vec::new();
    }
    let mut stat_ids = Vec::new();
    for change in changes {
        match stat_id(change, rows, &stat_ids) {
            Some(id) => stat_ids.push(id),
            None => return Vec::new(),
        }
    }
    stat_ids
}

fn stat_id(change: &Change, rows: &[Row], given: &[StatId]) -> Option<StatId> {
    let is_there = |row: &&Row| row.backend == change.backend && row.name == change.server;
    if let Some(row) = rows.iter().find(is_there) {
        return numbers(row);
    }
    let mut taken = Vec::new();
    let mut backend = None;
    for row in rows.iter().filter(|row| row.backend == change.backend) {
        let [its_backend, server] = numbers(row)?;
        backend = Some(its_backend);
        taken.push(server);
    }
    taken.extend(
        given.iter().filter(|[its_backend, _]| Some(*its_backend) == backend).map(|[_, server]| server),
    );
    let backend = backend?;
    if let Some(id) = change.forced_id() {
        return Some([backend, id.parse().ok()?]);
    }
    // They are mostly in this order already.
    taken.sort_unstable();
    Some([backend, taken.into_iter().fold(1, |free, id| if id == free { free + 1 } else { free })])
}

fn numbers(row: &Row) -> Option<StatId> {
    let [backend, server] = row.ids();
    Some([backend.parse().ok()?, server.parse().ok()?])
}

/// The commands that ask for these servers and for the worker; `None` if there are no ids.
pub(crate) fn question(stat_ids: &[StatId]) -> Option<String> {
    let ask = |[backend, server]: &StatId| format!(";show stat {backend} 6 {server} typed");
    (!stat_ids.is_empty()).then(|| "show info".to_owned() + &stat_ids.iter().map(ask).collect::<String>())
}

/// Returns the servers that are now parked, those removed by this change and those in `parked`, if the answer
/// shows that all changes were made. A missing server counts as removed if this version can delete.
pub(crate) fn prove(found: &Changes, answer: &str, parked: &Parked, can_delete: bool) -> Option<Parked> {
    // This run has tried to delete them.
    if can_delete && !found.parked.is_empty() {
        return None;
    }
    let options = |key: &String| parked.get(key).map(|options| (key.clone(), options.clone()));
    let mut left: Parked = found.parked.iter().filter_map(options).collect();
    // This run has not looked at these.
    let others = parked.iter().filter(|(key, _)| !found.scope.has_key(key));
    left.extend(others.map(|(key, options)| (key.clone(), options.clone())));
    for (change, id) in found.changes.iter().zip(&found.stat_ids) {
        let figures = Figures::find(answer, id);
        match &change.action {
            Action::Remove { .. } if figures.is_none() && can_delete && has_backend(answer, id) => {}
            Action::Remove { options } => {
                figures.filter(|figures| {
                    figures.are_of(&change.backend, &change.server) && figures.status == "MAINT"
                })?;
                left.extend(options.as_ref().map(|options| (change.key(), options.clone())));
            }
            action => figures
                .filter(|figures| figures.are_of(&change.backend, &change.server) && figures.show(action))
                .map(drop)?,
        }
    }
    Some(left)
}

/// Whether the answer contains the backend: then a server that it does not contain does not exist.
fn has_backend(answer: &str, [backend, _]: &StatId) -> bool {
    let beginning = format!("B.{backend}.0.");
    answer.lines().any(|line| line.starts_with(&beginning))
}

impl Figures<'_> {
    /// Whether they are as expected after the action.
    fn show(&self, action: &Action) -> bool {
        let is_at = |settings: &ServerOptions| self.address == Some(settings.endpoint);
        match action {
            // An agent on the server may change its weight.
            Action::Add { settings, .. }
            | Action::Move { settings }
            | Action::Return { settings }
            | Action::Disable { settings } => {
                let has_weight = self.weight == Some(settings.weight) && !settings.options.has("agent-check");
                self.is_in_maintenance() == Some(settings.is_disabled) && is_at(settings) && has_weight
            }
            Action::Tune { weight, .. } => weight.is_none() || self.weight == *weight,
            Action::Remove { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::server_options::Options;
    use crate::servers::scope::Scope;
    use common::servers_state;

    const ROWS: &str = "1\n\
        # be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port\n\
        3 nodes 1 s1 10.0.0.1 2 0 1 80\n3 nodes 2 s2 10.0.0.2 2 0 1 80\n3 nodes 4 s4 10.0.0.4 2 0 1 80\n\
        4 other 3 s3 10.0.0.3 2 0 1 80\n\n";
    const ANSWER: &str = "Pid: 7\n\nS.3.3.0.pxname.1:KNS:str:nodes\nS.3.3.1.svname.1:KNS:str:s3\n\
        S.3.3.17.status.1:SGP:str:DOWN\nS.3.3.18.weight.1:MaP:u32:1\nS.3.3.73.addr.1:CGS:str:10.0.0.3:80\n\
        S.3.3.99.uweight.1:MaP:u32:5\n\nS.3.2.0.pxname.1:KNS:str:nodes\nS.3.2.1.svname.1:KNS:str:s2\n\
        S.3.2.17.status.1:SGP:str:MAINT\nB.3.0.0.pxname.1:KNS:str:nodes\n";

    fn added(line: &str) -> Change<'_> {
        let settings = ServerOptions::read(line, &Options::default()).unwrap();
        let action = Action::Add { settings, has_dynamic_cookie: false };
        Change { backend: "nodes".to_owned(), server: "s3".to_owned(), action }
    }

    fn removed(server: &str) -> Change<'static> {
        let action = Action::Remove { options: Some("check".to_owned()) };
        Change { backend: "nodes".to_owned(), server: server.to_owned(), action }
    }

    fn proven(changes: Vec<Change>, answer: &str, can_delete: bool) -> Option<Vec<String>> {
        let stat_ids = stat_ids(&changes, &servers_state::parse(ROWS).unwrap());
        let found = Changes { changes, stat_ids, ..Changes::default() };
        let left = prove(&found, answer, &Parked::new(), can_delete)?;
        Some(left.into_keys().collect())
    }

    #[test]
    fn existing_and_added_servers_are_asked_for_by_id() {
        let rows = servers_state::parse(ROWS).unwrap();
        let changes = [added("server s3 10.0.0.3:80"), removed("s2"), added("server s3 10.0.0.3:80")];
        let stat_ids = stat_ids(&changes, &rows);
        assert_eq!(stat_ids, [[3, 3], [3, 2], [3, 5]]);
        let expected = "show info;show stat 3 6 3 typed;show stat 3 6 2 typed;show stat 3 6 5 typed";
        assert_eq!(question(&stat_ids).as_deref(), Some(expected));
        assert_eq!(super::stat_ids(&vec![removed("s1"); FEW + 1], &rows), [] as [StatId; 0]);
        let forced =
            super::stat_ids(&[added("server s3 10.0.0.3:80 id 9"), added("server s3 10.0.0.3:80")], &rows);
        assert_eq!(forced, [[3, 9], [3, 3]]);
        let elsewhere = Change { backend: "new".to_owned(), ..removed("s1") };
        assert_eq!(super::stat_ids(&[elsewhere], &rows), [] as [StatId; 0]);
        assert_eq!(question(&[]), None);
    }

    #[test]
    fn servers_that_match_the_file_are_proven() {
        let changes = vec![added("server s3 10.0.0.3:80 weight 5"), removed("s2")];
        assert_eq!(proven(changes, ANSWER, false), Some(vec!["nodes/s2".to_owned()]));
        assert_eq!(proven(vec![removed("s4")], ANSWER, true), Some(vec![]));
        let changes = vec![added("server s3 10.0.0.3:80 weight 5 disabled")];
        assert_eq!(proven(changes, &ANSWER.replace("DOWN", "MAINT"), true), Some(vec![]));
    }

    #[test]
    fn parked_servers_that_were_not_compared_stay_parked() {
        let parked: Parked = ["nodes/s2", "nodes/s9"].map(|key| (key.to_owned(), String::new())).into();
        let changes = vec![removed("s2")];
        let stat_ids = stat_ids(&changes, &servers_state::parse(ROWS).unwrap());
        let scope = Scope::Few(vec![["nodes".to_owned(), "s2".to_owned()]]);
        let found = Changes { changes, stat_ids, scope, ..Changes::default() };
        let left = prove(&found, ANSWER, &parked, false).unwrap();
        assert_eq!(left.keys().collect::<Vec<_>>(), ["nodes/s2", "nodes/s9"]);
        assert_eq!(left["nodes/s2"], "check");
    }

    #[test]
    fn servers_that_differ_prove_nothing() {
        for line in [
            "server s3 10.0.0.3:80",
            "server s3 10.0.0.4:80 weight 5",
            "server s3 10.0.0.3:80 weight 5 disabled",
        ] {
            assert_eq!(proven(vec![added(line)], ANSWER, true), None, "{line}");
        }
        let line = "server s3 10.0.0.3:80 weight 5";
        for answer in
            ["", "Permission denied\n", &ANSWER.replace("s3", "s9"), &ANSWER.replace("DOWN", "MAINT")]
        {
            assert_eq!(proven(vec![added(line)], answer, true), None, "{answer}");
        }
        assert_eq!(proven(vec![removed("s2")], &ANSWER.replace("MAINT", "UP"), true), None);
        assert_eq!(proven(vec![removed("s4")], ANSWER, false), None);
        assert_eq!(proven(vec![removed("s4")], "Pid: 7\n", true), None);
    }
}
