//! The whole change at 10,000 servers: record, render, check and apply, by `scripts/serf-handler`.
//!
//! All servers are in one backend, as in the shipped template, where HAProxy's check takes longest. The installed
//! HAProxy and a newer one are measured in turn. The second wiring is measured with each: from the record to the weight
//! that HAProxy tells, without the quiet time of `scripts/watch`.

use std::time::{Duration, Instant};

use common::records::read_all;
use harness::chart::grouped;
use harness::run::{poll, programs};
use harness::{Error, Result};

use crate::bench::Bench;
use crate::results::report::{Figure, Report};
use crate::results::sampling::{Subject, all_in_turn, median};
use crate::results::timed_run::TimedRun;
use crate::setups::balancer_with_handler::{BalancerWithHandler, Layout};
use crate::setups::haproxy_versions::{installed, newer};

const SERVERS: usize = 10_000;
const WARM_UP: usize = 3;
/// The limits with the installed HAProxy, which is 2.6 in Debian 12, and with the newer one.
const AT_MOST: [Duration; 2] = [Duration::from_millis(120), Duration::from_millis(60)];

/// The limit in the second wiring, beyond the quiet time of `render-cfg --watch`.
const WATCHED_AT_MOST: Duration = Duration::from_millis(60);
const QUIET: Duration = Duration::from_millis(100);
/// Longer than a record's stamp needs to settle.
const REST: Duration = Duration::from_millis(1_500);
const SETTLED: Duration = Duration::from_secs(60);

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
    for (site, version) in sites.iter_mut().zip([installed()?, newer()]) {
        let what = format!("a weight changes, scripts/watch, HAProxy {}", version.name);
        let took = median(watched(site, n)?);
        report.row(&what, Figure::Time(took), Some(Figure::Time(WATCHED_AT_MOST)), n);
    }
    Ok(())
}

/// Changes the weight of one server this number of times, with `scripts/watch`. Returns how long each took, less the
/// quiet time.
fn watched(site: &mut BalancerWithHandler, n: usize) -> Result<Vec<Duration>> {
    site.balancer.start_watcher()?;
    let nodes = site.balancer.nodes_dir();
    let (records, _) = read_all(&nodes).map_err(|err| Error::Unfit(err.to_string()))?;
    let node = &records[0];
    let mut times = Vec::new();
    // The first one waits until the watcher has begun, and is not counted.
    for weight in 101..=101 + n {
        poll::pass(REST)?;
        let join = TimedRun::new(programs::bin_dir()?.join("member-join"), [node.name.clone()]);
        let join = join.with(|command| {
            let tags = [format!("weight={weight}"), format!("port={}", node.tags["port"])];
            command.arg(node.address.to_string()).args(tags.iter().flat_map(|tag| ["--tag", tag]))
        });
        join.env("NODES_DIR", &nodes).time(None)?;
        let recorded = Instant::now();
        wait_for_weight(site, &node.name, weight)?;
        times.push(recorded.elapsed().saturating_sub(QUIET));
    }
    site.balancer.watcher = None;
    times.remove(0);
    Ok(times)
}

/// Waits until HAProxy tells this weight of a server.
fn wait_for_weight(site: &BalancerWithHandler, name: &str, weight: usize) -> Result<()> {
    let (begun, wanted) = (Instant::now(), format!("{weight} "));
    while !site.haproxy.command(&format!("get weight nodes/{name}"))?.trim_start().starts_with(&wanted) {
        if begun.elapsed() > SETTLED || poll::is_interrupted() {
            return Err(Error::Late { what: format!("the weight of '{name}'"), within: SETTLED });
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(())
}
