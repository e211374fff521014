//! The whole change at 10,000 servers: record, render, check and apply, by `scripts/serf-handler`.
//!
//! All servers are in one backend, as in the shipped template, where HAProxy's check takes longest. The installed
//! HAProxy and a newer one are measured in turn.

use std::time::Duration;

use harness::Result;
use harness::chart::grouped;

use crate::bench::Bench;
use crate::results::report::{Figure, Report};
use crate::results::sampling::{Subject, all_in_turn};
use crate::setups::balancer_with_handler::{BalancerWithHandler, Layout};
use crate::setups::haproxy_versions::{installed, newer};

const SERVERS: usize = 10_000;
const WARM_UP: usize = 3;
/// The limits with the installed HAProxy, which is 2.6 in Debian 12, and with the newer one.
const AT_MOST: [Duration; 2] = [Duration::from_millis(120), Duration::from_millis(60)];

/// Measures one server that joins or leaves.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let n = bench.rounds(15, 2);
    let (mut sites, mut rows) = (Vec::new(), Vec::new());
    for (version, at_most) in [installed()?, newer()].iter().zip(AT_MOST) {
        let shown = grouped(SERVERS as u64);
        let what = format!("the whole change, {shown} servers, HAProxy {}", version.name);
        match &version.program {
            None => report.note(&format!("{what}: nothing measured")),
            Some(program) => {
                sites.push(BalancerWithHandler::ours(program, SERVERS, Layout::OneBackend)?);
                rows.push((what, at_most));
            }
        }
    }
    let mut changes: Vec<_> = sites.iter_mut().map(|site| || site.change()).collect();
    let mut subjects: Vec<Subject<'_>> = changes.iter_mut().map(|change| -> Subject<'_> { change }).collect();
    let times = all_in_turn(n, WARM_UP, &mut subjects)?;
    for ((what, at_most), took) in rows.into_iter().zip(times) {
        report.row(&what, Figure::Time(took), Some(Figure::Time(at_most)), n);
    }
    report.note("one server joins or leaves: scripts/serf-handler records, renders, checks and applies it");
    Ok(())
}
