//! Which changes of servers bring the running HAProxy to the file, from the file, what HAProxy was last
//! proven to run, and the servers that it has now, whoever made them.
//!
//! What the file says about a server is made true: that it is there, its address, weight and limit. What
//! the file does not say stays: a server that an operator has put into maintenance through the socket stays
//! there until the file says something else about it.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use crate::change::{Change, Changes, Deed};
use crate::layout::{Layout, Section, Server};
use crate::live::Row;
use crate::lookup::Lookup;
use crate::note::Parked;
use crate::proxy::{Proxy, is_name};
use crate::settings::Settings;
use crate::version::Version;

/// A server that is disabled counts as marked down.
const CUTS: &str = "its on-marked-down would cut its sessions";

/// What is known about HAProxy's servers.
pub(crate) struct Known<'k, 'l> {
    /// The configuration that it was last proven to run.
    pub(crate) layout: &'l Layout<'l>,
    pub(crate) rows: &'k [Row<'k>],
    pub(crate) parked: &'k Parked,
    pub(crate) version: Version,
}

/// Finds the changes that make the servers those of `wanted`, whose other lines are those of
/// `known.layout`. Fails with the reason if only a reload can do it.
pub(crate) fn changes<'t>(wanted: &Layout<'t>, known: &Known) -> Result<Changes<'t>, String> {
    // HAProxy tells of one backend after the other.
    let backends = known.rows.chunk_by(|one, other| one.backend == other.backend);
    let rows: HashMap<&str, &[Row]> = backends.map(|rows| (rows[0].backend, rows)).collect();
    let mut found = Changes::default();
    for (proxy, before) in Proxy::all(wanted).zip(Proxy::all(known.layout)) {
        // Which of its lines count only HAProxy knows.
        if proxy.is_conditional() && proxy.section.has_the_same_servers(before.section) {
            continue;
        }
        let rows = rows.get(&*proxy.section.name).copied().unwrap_or_default();
        let had = found.changes.len();
        Comparison { proxy: &proxy, before: &before, known }.add_to(&mut found, rows)?;
        let is_unlike = found.changes.len() > had || proxy.section.names().ne(before.section.names());
        if let Some(obstacle) = proxy.obstacle().filter(|_| is_unlike) {
            return Err(format!("{}: {obstacle}", proxy.section.title()));
        }
    }
    check_mentions(wanted, &found).map(|()| found)
}

/// What may stand in a line that names a server of another one.
const MENTIONS: [&str; 3] = ["use-server", "track", "srv_"];

/// Fails with a line that names a server which leaves: HAProxy would not load such a file.
fn check_mentions(wanted: &Layout, found: &Changes) -> Result<(), String> {
    let gone = found.changes.iter().filter(|change| matches!(change.deed, Deed::Remove { .. }));
    let gone: HashSet<&str> = gone.map(|change| change.server.as_str()).collect();
    let sections = wanted.sections.iter().filter(|_| !gone.is_empty());
    let lines = sections.flat_map(Section::texts);
    for line in lines.filter(|line| MENTIONS.iter().any(|mention| line.contains(mention))) {
        let between = |c: char| !(c.is_ascii_alphanumeric() || "-_.:".contains(c));
        if let Some(name) = line.split(between).find(|word| gone.contains(word)) {
            return Err(format!("server {name} leaves, which '{}' names", line.trim()));
        }
    }
    Ok(())
}

/// One section, as it is to be and as it was.
struct Comparison<'c, 'l, 't, 'k> {
    proxy: &'c Proxy<'l, 't>,
    before: &'c Proxy<'c, 'k>,
    known: &'c Known<'k, 'k>,
}

impl<'t> Comparison<'_, '_, 't, '_> {
    fn add_to(&self, found: &mut Changes<'t>, rows: &[Row]) -> Result<(), String> {
        let had = found.changes.len();
        let mut rows = Lookup::new(rows, |row| row.name);
        let mut olds = Lookup::new(&self.before.section.servers, |server| &server.name);
        let tried = LazyCell::new(|| {
            let servers = self.before.section.servers.iter();
            servers.map(|server| (server.options(), server.defaults)).collect::<HashSet<_>>()
        });
        for server in &self.proxy.section.servers {
            let old = olds.take(&server.name);
            let deed = self.deed(server, old, rows.take(&server.name), &mut found.in_maintenance);
            let deed = deed
                .map_err(|why| format!("server {} of {}: {why}", server.name, self.proxy.section.title()))?;
            let is_new = matches!(deed, Some(Deed::Add { .. }));
            found.is_untried |= is_new && !tried.contains(&(server.options(), server.defaults));
            found.changes.extend(deed.map(|deed| self.change(&server.name, deed)));
        }
        // The second of two of one name looks like a new one.
        if found.changes[had..].iter().any(|change| matches!(change.deed, Deed::Add { .. })) {
            self.check_names()?;
        }
        let mut rest: Vec<&Row> = rows.rest().collect();
        rest.sort_unstable_by_key(|row| row.name);
        for row in rest {
            self.remove(row, olds.take(row.name), found)?;
        }
        Ok(())
    }

    /// Fails with a name that two servers have.
    fn check_names(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        match self.proxy.section.names().find(|name| !names.insert(*name)) {
            Some(name) => Err(format!("server {name} of {} is there twice", self.proxy.section.title())),
            None => Ok(()),
        }
    }

    /// Takes a server out that the file does not have.
    fn remove(&self, row: &Row, old: Option<&Server>, found: &mut Changes<'t>) -> Result<(), String> {
        let key = row.key();
        if self.known.parked.contains_key(&key) && row.is_in_maintenance() {
            found.parked.push(key);
            return Ok(());
        }
        // Slots are HAProxy's own, and what is in maintenance takes nothing from anybody.
        if old.is_none() && (self.proxy.has_slots() || row.is_in_maintenance()) {
            return Ok(());
        }
        let settings = old.and_then(|old| self.before.settings(old).ok());
        if settings.as_ref().is_some_and(|settings| settings.options.has("on-marked-down")) {
            return Err(format!("server {key}: {CUTS}"));
        }
        let options = settings.map(|settings| settings.options.text());
        found.changes.push(self.change(row.name, Deed::Remove { options }));
        Ok(())
    }

    fn change(&self, server: &str, deed: Deed<'t>) -> Change<'t> {
        Change { backend: self.proxy.section.name.to_string(), server: server.to_owned(), deed }
    }

    /// What is to be done with a server that the file has.
    fn deed(
        &self,
        server: &Server<'t>,
        old: Option<&Server>,
        row: Option<&Row>,
        in_maintenance: &mut Vec<String>,
    ) -> Result<Option<Deed<'t>>, String> {
        let is_same = old.is_some_and(|old| old.says_the_same(server));
        if is_same && row.is_some_and(|row| self.is_as_it_should_be(server, row)) {
            return Ok(None);
        }
        let settings = match self.proxy.settings(server) {
            Ok(settings) => settings,
            // HAProxy resolves its name, say: nothing here to judge it by.
            Err(_) if is_same && row.is_some() => return Ok(None),
            Err(why) => return Err(why),
        };
        let Some(row) = row else { return self.add(server, settings).map(Some) };
        let old = old.map(|old| self.before.settings(old)).transpose()?;
        let key = format!("{}/{}", self.proxy.section.name, server.name);
        self.check_options(&settings, old.as_ref(), &key)?;
        if settings.options.has("agent-check") && old.as_ref().is_none_or(|old| old.weight != settings.weight)
        {
            return Err("its agent's percentages are of the weight that it began with".to_owned());
        }
        let was_disabled = old.as_ref().is_none_or(|old| old.is_disabled);
        match (row.is_in_maintenance(), settings.is_disabled) {
            (_, true) if row.endpoint != Some(settings.endpoint) => {
                return Err("it is disabled, and changes its address".to_owned());
            }
            (true, true) => {}
            (false, true) if settings.options.has("on-marked-down") => return Err(CUTS.to_owned()),
            (false, true) => return Ok(Some(Deed::Disable { settings })),
            (true, false) if was_disabled => return self.place(settings, true).map(Some),
            (true, false) => in_maintenance.push(key),
            (false, false) => {}
        }
        if row.endpoint != Some(settings.endpoint) {
            return self.place(settings, false).map(Some);
        }
        Ok(tuning(&settings, old.as_ref(), row))
    }

    /// Whether a glance shows that nothing is to be done with a server that the file has as before.
    fn is_as_it_should_be(&self, server: &Server, row: &Row) -> bool {
        let glance = (!row.is_in_maintenance()).then(|| self.proxy.glance(server)).flatten();
        glance.is_some_and(|(endpoint, weight)| row.endpoint == Some(endpoint) && row.weight == weight)
    }

    /// Whether it is the same but for what can be changed while it serves.
    fn check_options(&self, wanted: &Settings, old: Option<&Settings>, key: &str) -> Result<(), String> {
        match (old, self.known.parked.get(key)) {
            (Some(old), _) if old.options == wanted.options => Ok(()),
            (Some(old), _) => {
                Err(format!("'{}' cannot change while it runs", wanted.options.first_change(&old.options)))
            }
            (None, Some(parked)) if *parked == wanted.options.text() => Ok(()),
            (None, Some(parked)) => Err(format!("it left with '{parked}' and comes back with others")),
            (None, None) => Err("somebody else has added one of that name".to_owned()),
        }
    }

    fn add(&self, server: &Server, settings: Settings<'t>) -> Result<Deed<'t>, String> {
        let version = self.known.version;
        if !version.can_add() {
            return Err("HAProxy takes new servers while it runs from 2.6 on".to_owned());
        }
        if !is_name(&server.name) {
            return Err("its name is none for the socket".to_owned());
        }
        if let Some(keyword) = settings.options.keywords().find(|keyword| !version.takes(keyword)) {
            return Err(format!("this HAProxy does not take '{keyword}' while it runs"));
        }
        // The first one serves, and one that is added is the last.
        if settings.options.has("backup") && self.proxy.backups().nth(1).is_some() {
            return Err("its place among the backup servers counts".to_owned());
        }
        Ok(Deed::Add { settings, has_dynamic_cookie: self.proxy.has_dynamic_cookie() })
    }

    fn place(&self, settings: Settings<'t>, was_parked: bool) -> Result<Deed<'t>, String> {
        if settings.options.has("on-marked-down") && !was_parked {
            return Err(CUTS.to_owned());
        }
        if self.known.version.breaks_on_return() && self.proxy.is_leastconn() {
            return Err("this HAProxy may stop when it comes back (issue 3360)".to_owned());
        }
        Ok(Deed::Place { settings, was_parked })
    }
}

/// The weight and the limit, if they are to change.
fn tuning<'t>(wanted: &Settings, old: Option<&Settings>, row: &Row) -> Option<Deed<'t>> {
    // An agent on the server changes its weight as it likes.
    let is_agents = wanted.options.has("agent-check") && old.is_some_and(|old| old.weight == wanted.weight);
    let weight = (row.weight != wanted.weight && !is_agents).then_some(wanted.weight);
    let maxconn = old.filter(|old| old.maxconn != wanted.maxconn).map(|_| wanted.maxconn);
    (weight.is_some() || maxconn.is_some()).then_some(Deed::Tune { weight, maxconn })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
backend nodes
  balance leastconn
  server s1 10.0.0.1:80 check weight 5
  server s2 10.0.0.2:80 check maxconn 9
";

    fn row(name: &'static str, endpoint: &str, weight: u32, admin: u32) -> Row<'static> {
        Row::new("nodes", name, endpoint.parse().ok(), weight, admin)
    }

    fn live() -> Vec<Row<'static>> {
        vec![row("s1", "10.0.0.1:80", 5, 0), row("s2", "10.0.0.2:80", 1, 0)]
    }

    /// The changes from `old` to `new` as people read them, or the reason for a reload.
    fn found(
        old: &str,
        new: &str,
        rows: &[Row],
        parked: &Parked,
        version: &str,
    ) -> Result<Vec<String>, String> {
        let version = Version::parse(version).unwrap();
        let known = Known { layout: &Layout::read(old), rows, parked, version };
        changes(&Layout::read(new), &known).map(|found| found.changes.iter().map(Change::to_string).collect())
    }

    fn since(new: &str) -> Result<Vec<String>, String> {
        found(FILE, new, &live(), &Parked::new(), "2.6.12")
    }

    #[test]
    fn nothing_is_to_be_done_where_all_is_as_the_file_says() {
        assert_eq!(since(FILE), Ok(vec![]));
    }

    #[test]
    fn servers_come_go_move_and_change() {
        assert_eq!(
            since(&format!("{FILE}  server s3 10.0.0.3:80 check\n")),
            Ok(vec!["server nodes/s3 added at 10.0.0.3:80".to_owned()])
        );
        let gone = FILE.replace("  server s2 10.0.0.2:80 check maxconn 9\n", "");
        assert_eq!(since(&gone), Ok(vec!["server nodes/s2 removed".to_owned()]));
        let moved = since(&FILE.replace("10.0.0.2:80", "10.0.0.9:81"));
        assert_eq!(moved, Ok(vec!["server nodes/s2 moved to 10.0.0.9:81".to_owned()]));
        let tuned = since(&FILE.replace("weight 5", "weight 0").replace("maxconn 9", "maxconn 8"));
        let expected = ["server nodes/s1 weight 0", "server nodes/s2 maxconn 8"].map(str::to_owned);
        assert_eq!(tuned, Ok(expected.to_vec()));
    }

    #[test]
    fn what_others_did_through_the_socket_is_put_right() {
        let mut rows = live();
        rows[0] = row("s1", "10.0.0.7:80", 5, 0);
        rows[1] = row("s2", "10.0.0.2:80", 77, 0);
        rows.push(row("x", "10.0.0.8:80", 1, 0));
        let expected =
            ["server nodes/s1 moved to 10.0.0.1:80", "server nodes/s2 weight 1", "server nodes/x removed"];
        let found = found(FILE, FILE, &rows, &Parked::new(), "2.6.12");
        assert_eq!(found, Ok(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_server_that_an_operator_has_put_into_maintenance_stays_there() {
        let rows = [row("s1", "10.0.0.1:80", 5, 1), live().remove(1)];
        assert_eq!(found(FILE, FILE, &rows, &Parked::new(), "2.6.12"), Ok(vec![]));
        let tuned = found(FILE, &FILE.replace("weight 5", "weight 6"), &rows, &Parked::new(), "2.6.12");
        assert_eq!(tuned, Ok(vec!["server nodes/s1 weight 6".to_owned()]));
    }

    #[test]
    fn a_parked_server_comes_back_if_it_is_the_same() {
        let mut rows = live();
        rows.push(row("s3", "10.0.0.3:80", 1, 1));
        let parked = Parked::from([("nodes/s3".to_owned(), "check".to_owned())]);
        let with = |line: &str| found(FILE, &format!("{FILE}{line}"), &rows, &parked, "2.6.12");
        let back = with("  server s3 10.0.0.4:80 check weight 3\n");
        assert_eq!(back, Ok(vec!["server nodes/s3 back at 10.0.0.4:80".to_owned()]));
        let refused = with("  server s3 10.0.0.4:80 check backup\n").unwrap_err();
        assert_eq!(refused, "server s3 of backend nodes: it left with 'check' and comes back with others");
        assert_eq!(found(FILE, FILE, &rows, &parked, "2.6.12"), Ok(vec![]));
    }

    #[test]
    fn a_server_that_is_disabled_leaves_service_and_comes_back() {
        let disabled = FILE.replace("weight 5", "weight 5 disabled");
        assert_eq!(since(&disabled), Ok(vec!["server nodes/s1 disabled".to_owned()]));
        let by_hand = found(&disabled, &disabled, &live(), &Parked::new(), "2.6.12");
        assert_eq!(by_hand, Ok(vec!["server nodes/s1 disabled".to_owned()]));
        let cutting = disabled.replace("weight 5", "on-marked-down shutdown-sessions");
        let refused = found(&cutting.replace(" disabled", ""), &cutting, &live(), &Parked::new(), "2.6.12");
        assert_eq!(refused, Err(format!("server s1 of backend nodes: {CUTS}")));
        let rows = [row("s1", "10.0.0.1:80", 5, 1), live().remove(1)];
        let none = Parked::new();
        let lighter = found(&disabled, &disabled.replace("weight 5", "weight 4"), &rows, &none, "2.6.12");
        assert_eq!(lighter, Ok(vec!["server nodes/s1 weight 4".to_owned()]));
        assert_eq!(found(&disabled, &disabled, &rows, &none, "2.6.12"), Ok(vec![]));
        let back = found(&disabled, FILE, &rows, &none, "2.6.12");
        assert_eq!(back, Ok(vec!["server nodes/s1 back at 10.0.0.1:80".to_owned()]));
    }

    #[test]
    fn what_only_a_reload_can_do_is_said_with_its_place() {
        let refusal = |new: &str| since(new).unwrap_err();
        assert_eq!(
            refusal(&FILE.replace("s2 10.0.0.2:80 check", "s2 10.0.0.2:80")),
            "server s2 of backend nodes: 'check' cannot change while it runs"
        );
        assert_eq!(
            refusal(&FILE.replace("10.0.0.2:80", "s2.example:80")),
            "server s2 of backend nodes: its address is no IP:PORT"
        );
        let added = format!("{FILE}  server s3 10.0.0.3:80 check\n");
        let gone = FILE.replace("  server s2 10.0.0.2:80 check maxconn 9\n", "");
        let refused = |old, new, version| found(old, new, &live(), &Parked::new(), version).unwrap_err();
        assert_eq!(
            refused(FILE, &added, "2.4.0"),
            "server s3 of backend nodes: HAProxy takes new servers while it runs from 2.6 on"
        );
        let cookie = added.replace("10.0.0.3:80", "10.0.0.3:80 cookie c3");
        assert_eq!(
            refused(FILE, &cookie, "2.6.12"),
            "server s3 of backend nodes: this HAProxy does not take 'cookie' while it runs"
        );
        let [file, added] = [FILE, &added].map(|text| text.replace("leastconn", "source"));
        assert_eq!(refused(&file, &added, "2.6.12"), "backend nodes: 'balance source' is for a reload");
        let cutting = FILE.replace("check maxconn 9", "check on-marked-down shutdown-sessions");
        assert_eq!(
            refused(&cutting, &gone, "2.6.12"),
            "server nodes/s2: its on-marked-down would cut its sessions"
        );
    }

    #[test]
    fn what_haproxy_would_not_load_or_not_in_that_order_is_for_a_reload() {
        let refused = |old: &str, new: &str| found(old, new, &live(), &Parked::new(), "2.6.12").unwrap_err();
        let [first, second] =
            ["  server s1 10.0.0.1:80 check weight 5\n", "  server s2 10.0.0.2:80 check maxconn 9\n"];
        let file = FILE.replace("leastconn", "source");
        let turned = file.replace(first, "").replace(second, &format!("{second}{first}"));
        assert_eq!(refused(&file, &turned), "backend nodes: 'balance source' is for a reload");
        let twice = format!("{FILE}  server s1 10.0.0.3:80\n");
        assert_eq!(refused(FILE, &twice), "server s1 of backend nodes is there twice");
        let backup = FILE.replace("maxconn 9", "backup");
        let backups = format!("{backup}  server s3 10.0.0.3:80 backup\n");
        assert_eq!(
            refused(&backup, &backups),
            "server s3 of backend nodes: its place among the backup servers counts"
        );
        let [file, gone] =
            [FILE, &FILE.replace(second, "")].map(|text| format!("{text}  use-server s2 if {{ path / }}\n"));
        assert_eq!(refused(&file, &gone), "server s2 leaves, which 'use-server s2 if { path / }' names");
    }

    #[test]
    fn servers_that_haproxy_resolves_or_names_itself_are_left_to_it() {
        let file = FILE.replace("10.0.0.2:80", "s2.example:80") + "  server-template t 2 10.0.0.9:80\n";
        let mut rows = live();
        rows[1] = row("s2", "192.0.2.7:80", 1, 0);
        rows.push(row("t1", "10.0.0.9:80", 1, 0));
        assert_eq!(found(&file, &file, &rows, &Parked::new(), "2.6.12"), Ok(vec![]));
    }
}
