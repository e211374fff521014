//! Prints the servers that HAProxy's checks find up: `--up`.
//!
//! HAProxy and Serf reach a server by different paths. If Serf has lost a server that HAProxy still finds up,
//! the balancer is cut off from the cluster; this output shows it.

use std::collections::BTreeSet;

use common::failure::{Code, Failure};

use crate::haproxy::instance::Instance;
use crate::haproxy::servers_state::{Row, parse};
use crate::output::report::print;

/// Prints their names, sorted, each once even if it is in several backends. Prints nothing if no HAProxy runs
/// or none has a socket. Fails if the socket does not answer.
pub(crate) fn print_up(instance: Option<&Instance>) -> Result<(), Failure> {
    let Some(instance) = instance.filter(|instance| instance.has_socket()) else { return Ok(()) };
    let silence = || refused("it does not answer");
    let answer = instance.ask_worker("show servers state").ok_or_else(silence)?;
    let rows = parse(&answer).map_err(|line| refused(&format!("it answered '{line}'")))?;
    let names: BTreeSet<&str> =
        rows.iter().filter(|row| row.is_seen_up()).map(|row: &Row| row.name).collect();
    print(&names.iter().map(|name| format!("{name}\n")).collect::<String>())
}

fn refused(why: &str) -> Failure {
    Failure::new(Code::Haproxy, format!("cannot ask HAProxy for its servers: {why}"))
}
