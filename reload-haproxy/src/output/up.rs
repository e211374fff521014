//! Which servers HAProxy's own checks find up: `--up`.
//!
//! HAProxy and Serf look at a server by different ways. Where Serf has lost sight of it and HAProxy has not, it is
//! the balancer that is cut off, and this is how others learn of it.

use std::collections::BTreeSet;

use common::failure::{Code, Failure};

use crate::haproxy::instance::Instance;
use crate::haproxy::servers_state::{Row, parse};
use crate::output::report::print;

/// Says their names on stdout, sorted, each once in whatever backends it is; nobody's where no HAProxy runs or none can
/// be asked, for that lasts. Fails if one that can be asked does not tell.
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
