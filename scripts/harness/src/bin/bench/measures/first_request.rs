//! How long a new backend waits for its first request, over the whole chain. Its agent starts, and Serf notifies the
//! balancer's agent, which waits a second for more events and calls the handler. Then come record, render, reload and
//! HAProxy's first check.
//!
//! The web app serves before its agent starts, as in production, so the app's own start is not measured.

use std::time::Duration;

use harness::Result;
use harness::cluster::local_cluster::Cluster;
use harness::run::poll;
use harness::traffic::load::{Load, Rate};

use crate::bench::Bench;
use crate::results::report::{Figure, Report};
use crate::results::sampling::median;

const TARGET: Duration = Duration::from_millis(1500);
const GIVE_UP: Duration = Duration::from_secs(20);
/// The time between two joins. By then Serf's coalescing of events is over and the handler has ended.
const REST: Duration = Duration::from_millis(1500);
/// A request every millisecond or so, which is also the precision of the figure.
const RATE: Rate = Rate { visitors: 10, every: Duration::from_millis(10) };

/// Measures the time from the start of a backend's agent to the first request that it answers.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut cluster = Cluster::new()?;
    cluster.start_balancer()?;
    let load = Load::start(cluster.front(), "/", RATE);
    let n = bench.rounds(9, 2);
    let mut times = Vec::new();
    for number in 0..=n {
        let waited = join(&mut cluster, &load, &format!("s{number}"))?;
        poll::pass(REST)?;
        // The first one joins a balancer alone with an empty pool, so it is not counted.
        if number > 0 {
            times.push(waited);
        }
    }
    let what = "start of a backend's agent to the first request it answers";
    report.row(what, Figure::Time(median(times)), Some(Figure::Time(TARGET)), n);
    report.note("of which Serf itself waits 1.0 s for more events, before it calls its handler");
    Ok(())
}

fn join(cluster: &mut Cluster, load: &Load, name: &str) -> Result<Duration> {
    let address = cluster.add(name)?;
    let announced = cluster.backend(name)?.announced;
    let what = format!("{name} to answer a request");
    let answered = poll::until(GIVE_UP, &what, || load.first_answer_by(address, announced))?;
    Ok(answered - announced)
}
