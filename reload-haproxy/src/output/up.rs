//! Prints what HAProxy's checks find: `--up` and `--health`.
//!
//! HAProxy and Serf reach a server by different paths. If Serf has lost a server that HAProxy still finds up,
//! the balancer is cut off from the cluster; this output shows it.

use std::collections::BTreeSet;

use common::failure::{Code, Failure};
use common::servers_state::{Finding, Row, parse};

use crate::haproxy::instance::Instance;
use crate::output::report::print;

/// Prints the names of the servers that are found up, sorted, each once even if it is in several backends. Prints
/// nothing if no HAProxy runs or none has a socket. Fails if the socket does not answer.
pub(crate) fn print_up(instance: Option<&Instance>) -> Result<(), Failure> {
    print_lines(instance, |row| (row.finding() == Finding::Up).then(|| row.name.to_owned()))
}

/// Prints `NAME FINDING ENDPOINT` for each server, sorted. A server without an IP address has no third field. Prints
/// nothing if HAProxy has no socket. Fails if none runs, because then the health of its servers is not known.
pub(crate) fn print_health(instance: Option<&Instance>) -> Result<(), Failure> {
    if instance.is_none() {
        return Err(refused("it is not running"));
    }
    print_lines(instance, |row| {
        let endpoint = row.endpoint().map(|endpoint| format!(" {endpoint}")).unwrap_or_default();
        Some(format!("{} {}{endpoint}", row.name, row.finding()))
    })
}

fn print_lines(
    instance: Option<&Instance>,
    line: impl Fn(&Row<'_>) -> Option<String>,
) -> Result<(), Failure> {
    let Some(instance) = instance.filter(|instance| instance.has_socket()) else { return Ok(()) };
    let silence = || refused("it does not answer");
    let answer = instance.ask_worker("show servers state").ok_or_else(silence)?;
    let rows = parse(&answer).map_err(|line| refused(&format!("it answered '{line}'")))?;
    let lines: BTreeSet<String> = rows.iter().filter_map(line).collect();
    print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}

fn refused(why: &str) -> Failure {
    Failure::new(Code::Haproxy, format!("cannot ask HAProxy for its servers: {why}"))
}
