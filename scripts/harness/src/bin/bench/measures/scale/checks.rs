//! The processor time that HAProxy needs for health checks alone, at the shipped template's interval, if all servers
//! answer.
//!
//! Nothing else runs meanwhile, so all processor time of the worker in these few seconds is spent on checks.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::chart::grouped;
use harness::cluster::balancer::Balancer;
use harness::daemons::haproxy::{Haproxy, Mode};
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::{poll, process};
use harness::{Error, Result};

use crate::bench::Bench;
use crate::results::figures::{Figures, Table};
use crate::results::report::{Figure, Report};
use crate::setups::node_records::NodeRecords;
use crate::setups::rare_checks_template;
use crate::setups::responder::Responder;

const SIZES: [usize; 3] = [100, 1_000, 10_000];
const QUICK: [usize; 1] = [100];
const WATCHED: Duration = Duration::from_secs(6);
const ALL_UP: Duration = Duration::from_secs(60);
/// The unit of processor time in /proc, in seconds.
const TICK: f64 = 0.01;

/// Measures the share of a processor and the checks per second for this number of servers.
pub fn measure(bench: &Bench, report: &mut Report, figures: &mut Figures) -> Result<()> {
    let mut table = Table::new(&["", "checks a second", "of one processor"]);
    for count in if bench.quick { &QUICK[..] } else { &SIZES } {
        let (rate, share) = load(*count)?;
        let shown = grouped(*count as u64);
        report.row(&format!("checks a second, {shown} servers"), Figure::Count(rate.round() as u64), None, 1);
        report.note(&format!("{:.1} % of one processor", share * 100.0));
        let cells =
            [format!("{shown} servers"), grouped(rate.round() as u64), format!("{:.1} %", share * 100.0)];
        table.row(cells);
    }
    figures.tables.insert("scale-checks".to_owned(), table);
    Ok(())
}

fn load(count: usize) -> Result<(f64, f64)> {
    let (run, net) = (Arc::new(Run::new()?), Subnet::claim()?);
    let responder = Responder::start(&run, "responder")?;
    let mut balancer = Balancer::new(Arc::clone(&run), net.next_host())?;
    balancer.set_env("ROLLCALL_TEMPLATE", rare_checks_template::checked_in_shards(&run)?);
    let shards = count.div_ceil(1_000);
    balancer.add_setting("shards", shards.to_string());
    let tags =
        |number: usize| vec![("port", responder.port.to_string()), ("shard", (number % shards).to_string())];
    NodeRecords::fill_with(&balancer.nodes_dir(), count, &tags)?;
    process::output(&run, &mut balancer.render_command()?)?;
    let (config, admin) = (balancer.config(), balancer.admin_socket());
    let haproxy = Haproxy::start(&run, "haproxy", &config, Mode::MasterSocket, Some(&admin))?;
    let are_up = || Ok(haproxy.servers()?.iter().all(|server| server.status == "UP").then_some(()));
    poll::try_until(ALL_UP, "all servers to be up", are_up)?;
    let (begun, before) = (Instant::now(), (spent(&haproxy)?, responder.answered()? as f64));
    poll::pass(WATCHED)?;
    let after = (spent(&haproxy)?, responder.answered()? as f64);
    let seconds = begun.elapsed().as_secs_f64();
    Ok(((after.1 - before.1) / seconds, (after.0 - before.0) / seconds))
}

/// The worker's processor time so far, in seconds.
fn spent(haproxy: &Haproxy) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", haproxy.worker_pid()?)).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| -> Option<f64> { fields.get(at)?.parse().ok() };
    // utime and stime, fields 14 and 15 of the line.
    let ticks = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
    ticks.map(|ticks| ticks * TICK).ok_or_else(|| Error::Unfit("HAProxy's worker has ended".to_owned()))
}
