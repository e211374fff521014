//! Finds the server changes, from the file, the file that HAProxy was last proven to run, and the servers
//! that it has now.
//!
//! What the file sets is enforced: that a server exists, its address, weight and limit. What the file does
//! not set is left alone: a server put into maintenance by hand stays there until its line changes.

use std::cell::{Cell, LazyCell};
use std::collections::{HashMap, HashSet};

use common::servers_state::{self, Row};

use crate::config::backend::{Backend, Obstacle, is_name};
use crate::config::by_name::Lookup;
use crate::config::excerpt::MENTIONS;
use crate::config::sections::{Section, Sections, ServerLine};
use crate::config::server::{Glance, ServerOptions, endpoint};
use crate::haproxy::version::Version;
use crate::servers::change::{Action, Change, Changes};
use crate::servers::names::check_names;
use crate::servers::reason::Reason;
use crate::servers::scope::Scope;
use crate::state::note::Parked;

/// What is known about HAProxy's servers.
pub(crate) struct Known<'k, 'l> {
    /// The configuration that it was last proven to run.
    pub(crate) layout: &'l Sections<'l>,
    pub(crate) rows: &'k [Row<'k>],
    pub(crate) parked: &'k Parked,
    pub(crate) version: Version,
    /// The servers to compare.
    pub(crate) scope: &'k Scope,
}

/// Reads the rows of an answer to `show servers state`.
pub(crate) fn read_rows(answer: &str) -> Result<Vec<Row<'_>>, Reason> {
    servers_state::parse(answer).map_err(refused)
}

/// The reason if a line of that answer cannot be read.
pub(crate) fn refused(line: &str) -> Reason {
    Reason::Answer { command: "show servers state", answer: line.to_owned() }
}

/// Finds the changes that make the servers those of `wanted`, whose other lines are those of
/// `known.layout`. Fails with the reason if only a reload can do it.
pub(crate) fn changes<'t>(wanted: &Sections<'t>, known: &Known) -> Result<Changes<'t>, Reason> {
    // HAProxy lists one backend after the other.
    let backends = known.rows.chunk_by(|one, other| one.backend == other.backend);
    let rows: HashMap<&str, &[Row]> = backends.map(|rows| (rows[0].backend, rows)).collect();
    let mut found = Changes { scope: known.scope.clone(), ..Changes::default() };
    for (backend, before) in Backend::all(wanted).zip(Backend::all(known.layout)) {
        // Only HAProxy can evaluate conditions.
        if backend.is_conditional() && backend.section.has_the_same_servers(before.section) {
            continue;
        }
        // Its other servers were not compared before, so a look at a few is not enough.
        if backend.is_conditional() && known.scope != &Scope::All {
            let (section, why) = (backend.section.title(), Obstacle::Conditional);
            return Err(Reason::Backend { section, why });
        }
        let rows = rows.get(&*backend.section.name).copied().unwrap_or_default();
        let had = found.changes.len();
        let glanced = Cell::default();
        Comparison { backend: &backend, before: &before, known, glanced }.add_to(&mut found, rows)?;
        let is_unlike = found.changes.len() > had || backend.section.names().ne(before.section.names());
        if let Some(why) = backend.why_not_at_runtime().filter(|_| is_unlike) {
            return Err(Reason::Backend { section: backend.section.title(), why });
        }
    }
    check_mentions(wanted, &found).map(|()| found)
}

/// Fails if a line names a removed server: HAProxy would reject such a file.
fn check_mentions(wanted: &Sections, found: &Changes) -> Result<(), Reason> {
    let gone = found.changes.iter().filter(|change| matches!(change.action, Action::Remove { .. }));
    let gone: HashSet<&str> = gone.map(|change| change.server.as_str()).collect();
    let sections = wanted.sections.iter().filter(|_| !gone.is_empty());
    let lines = sections.flat_map(Section::texts);
    for line in lines.filter(|line| MENTIONS.iter().any(|mention| line.contains(mention))) {
        let between = |c: char| !(c.is_ascii_alphanumeric() || "-_.:".contains(c));
        if let Some(name) = line.split(between).find(|word| gone.contains(word)) {
            return Err(Reason::Named { server: name.to_owned(), line: line.trim().to_owned() });
        }
    }
    Ok(())
}

/// One section: as it should be, and as it was.
struct Comparison<'c, 'l, 't, 'k> {
    backend: &'c Backend<'l, 't>,
    before: &'c Backend<'c, 'k>,
    known: &'c Known<'k, 'k>,
    /// What a glance at the last server found.
    glanced: Cell<Option<Glance<'t>>>,
}

impl<'t> Comparison<'_, '_, 't, '_> {
    fn add_to(&self, found: &mut Changes<'t>, all: &[Row]) -> Result<(), Reason> {
        let had = found.changes.len();
        let mut rows = Lookup::new(all, |row| row.name);
        let mut olds = Lookup::new(&self.before.section.servers, |server| &server.name);
        let tried = LazyCell::new(|| {
            let servers = self.before.section.servers.iter();
            let mut tried: Vec<_> = servers.map(|server| (server.options(), server.defaults)).collect();
            // Most are the same.
            tried.dedup();
            tried.into_iter().collect::<HashSet<_>>()
        });
        let is_compared = |name: &str| self.known.scope.has(&self.backend.section.name, name);
        for server in self.backend.section.servers.iter().filter(|server| is_compared(&server.name)) {
            let old = olds.take(&server.name);
            let action = self.action(server, old, rows.take(&server.name), &mut found.in_maintenance);
            let action = action.map_err(|why| why.of_server(&server.name, &self.backend.section.title()))?;
            let is_new = matches!(action, Some(Action::Add { .. }));
            found.is_untried |= is_new && !tried.contains(&(server.options(), server.defaults));
            found.changes.extend(action.map(|action| self.change(&server.name, action)));
        }
        let mut rest: Vec<&Row> = rows.rest().filter(|row| is_compared(row.name)).collect();
        rest.sort_unstable_by_key(|row| row.name);
        for row in rest {
            self.remove(row, olds.take(row.name), found)?;
        }
        check_names(&found.changes[had..], self.backend.section, all)
    }

    /// Removes a server that the file does not have.
    fn remove(&self, row: &Row, old: Option<&ServerLine>, found: &mut Changes<'t>) -> Result<(), Reason> {
        let key = row.key();
        if self.known.parked.contains_key(&key) && row.is_in_maintenance() {
            found.parked.push(key);
            return Ok(());
        }
        // Slots of a server-template belong to HAProxy, and a server in maintenance does no harm.
        if old.is_none() && (self.backend.has_slots() || row.is_in_maintenance()) {
            return Ok(());
        }
        let settings = old.and_then(|old| self.before.options_of(old).ok());
        if settings.as_ref().is_some_and(|settings| settings.options.has("on-marked-down")) {
            return Err(Reason::CutsSessions.of_server(row.name, &self.backend.section.title()));
        }
        let options = settings.map(|settings| settings.options.text());
        found.changes.push(self.change(row.name, Action::Remove { options }));
        Ok(())
    }

    fn change(&self, server: &str, action: Action<'t>) -> Change<'t> {
        Change { backend: self.backend.section.name.to_string(), server: server.to_owned(), action }
    }

    /// The action for a server that the file has.
    fn action(
        &self,
        server: &ServerLine<'t>,
        old: Option<&ServerLine>,
        row: Option<&Row>,
        in_maintenance: &mut Vec<String>,
    ) -> Result<Option<Action<'t>>, Reason> {
        let is_same = old.is_some_and(|old| old.says_the_same(server));
        if is_same && row.is_some_and(|row| self.is_as_it_should_be(server, row)) {
            return Ok(None);
        }
        let settings = match self.backend.options_of(server) {
            Ok(settings) => settings,
            // For example, HAProxy resolves its name.
            Err(_) if is_same && row.is_some() => return Ok(None),
            Err(why) => return Err(why.into()),
        };
        let Some(row) = row else { return self.add(server, settings).map(Some) };
        let old = old.map(|old| self.before.options_of(old)).transpose()?;
        let key = format!("{}/{}", self.backend.section.name, server.name);
        self.check_options(&settings, old.as_ref(), &key)?;
        let has_weight = old.as_ref().is_some_and(|old| old.weight == settings.weight);
        if settings.options.has("agent-check") && !has_weight {
            return Err(Reason::AgentWeight);
        }
        let was_disabled = old.as_ref().is_none_or(|old| old.is_disabled);
        match (row.is_in_maintenance(), settings.is_disabled) {
            (_, true) if row.endpoint() != Some(settings.endpoint) => return Err(Reason::DisabledMove),
            (true, true) => {}
            (false, true) if settings.options.has("on-marked-down") => return Err(Reason::CutsSessions),
            (false, true) => return Ok(Some(Action::Disable { settings })),
            (true, false) if was_disabled => return self.put_back(settings).map(Some),
            (true, false) => in_maintenance.push(key),
            (false, false) => {}
        }
        if row.endpoint() != Some(settings.endpoint) {
            return self.move_it(settings).map(Some);
        }
        Ok(tuning(&settings, old.as_ref(), row))
    }

    /// Whether a quick check shows that an unchanged server needs no action.
    fn is_as_it_should_be(&self, server: &ServerLine<'t>, row: &Row) -> bool {
        let glance = || self.backend.glance(server, &self.glanced);
        let is_it = |(address, weight): (&str, u32)| row.weight == weight && is_at(row, address);
        !row.is_in_maintenance() && glance().is_some_and(is_it)
    }

    /// Fails if options differ that cannot change while the server runs.
    fn check_options(
        &self,
        wanted: &ServerOptions,
        old: Option<&ServerOptions>,
        key: &str,
    ) -> Result<(), Reason> {
        match (old, self.known.parked.get(key)) {
            (Some(old), _) if old.options == wanted.options => Ok(()),
            (Some(old), _) => Err(Reason::Fixed(wanted.options.first_change(&old.options))),
            (None, Some(parked)) if *parked == wanted.options.text() => Ok(()),
            (None, Some(parked)) => Err(Reason::ParkedOptions(parked.clone())),
            (None, None) => Err(Reason::AddedByHand),
        }
    }

    fn add(&self, server: &ServerLine, settings: ServerOptions<'t>) -> Result<Action<'t>, Reason> {
        let version = self.known.version;
        if !version.can_add() {
            return Err(Reason::CannotAdd);
        }
        if !is_name(&server.name) {
            return Err(Reason::Name);
        }
        if let Some(keyword) = settings.options.keywords().find(|keyword| !version.takes(keyword)) {
            return Err(Reason::KeywordVersion(keyword.to_owned()));
        }
        // Only the first backup server serves, and an added one is the last.
        if settings.options.has("backup") && self.backend.backups().nth(1).is_some() {
            return Err(Reason::BackupOrder);
        }
        Ok(Action::Add { settings, has_dynamic_cookie: self.backend.has_dynamic_cookie() })
    }

    fn move_it(&self, settings: ServerOptions<'t>) -> Result<Action<'t>, Reason> {
        if settings.options.has("on-marked-down") {
            return Err(Reason::CutsSessions);
        }
        self.check_return().map(|()| Action::Move { settings })
    }

    fn put_back(&self, settings: ServerOptions<'t>) -> Result<Action<'t>, Reason> {
        self.check_return().map(|()| Action::Return { settings })
    }

    /// Fails if HAProxy may stop when a server is enabled again.
    fn check_return(&self) -> Result<(), Reason> {
        let is_risky = self.known.version.breaks_on_return() && self.backend.is_leastconn();
        if is_risky { Err(Reason::Issue3360) } else { Ok(()) }
    }
}

/// Whether a server is at the address that this word of its line is. If both are the same text, HAProxy has read it.
fn is_at(row: &Row, address: &str) -> bool {
    row.is_at(address) || endpoint(address).is_some_and(|endpoint| row.endpoint() == Some(endpoint))
}

/// The changes of weight and limit.
fn tuning<'t>(wanted: &ServerOptions, old: Option<&ServerOptions>, row: &Row) -> Option<Action<'t>> {
    // An agent on the server may change its weight.
    let is_agents = wanted.options.has("agent-check") && old.is_some_and(|old| old.weight == wanted.weight);
    let weight = (row.weight != wanted.weight && !is_agents).then_some(wanted.weight);
    let maxconn = old.filter(|old| old.maxconn != wanted.maxconn).map(|_| wanted.maxconn);
    (weight.is_some() || maxconn.is_some()).then_some(Action::Tune { weight, maxconn })
}

#[cfg(test)]
mod tests;
