//! Rollcall compared with other programs: template renderers, a handler written in shell, and the cost of a reload.
//!
//! They are measured in one run, in turn, on the same data. Each figure is for a whole program from its call to its
//! end, as a handler would call it. The results go into `docs/benchmarks.md`; `scripts/bench.d/install-others`
//! installs the other programs.

mod dialect;
mod handlers;
mod reloads;
mod renderers;
mod rendering;

use harness::Result;
use harness::chart::{Unit, grouped};

use crate::bench::Bench;
use crate::results::figures::{Figures, Table};
use crate::results::machine;
use crate::results::report::{Figure, Report};
use crate::setups::haproxy_versions::newer;

use crate::measures::others::reloads::Way;

const CHANGES: usize = 30;

/// Runs all of these measures.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut machine = machine::describe(bench.run.path());
    machine.push(format!("and haproxy  {}", newer().version));
    let mut figures = Figures::of("others", machine);
    rendering::measure(bench, report, &mut figures)?;
    handlers::measure(bench, report, &mut figures)?;
    reloading(bench, report, &mut figures)?;
    figures.publish(bench.quick)
}

fn reloading(bench: &Bench, report: &mut Report, figures: &mut Figures) -> Result<()> {
    const WAYS: [(Way, &str); 3] = [
        (Way::Commands, "reload-haproxy, by commands"),
        (Way::Reload, "reload-haproxy, by a reload"),
        (Way::Finish, "haproxy -c, then haproxy -sf"),
    ];
    let mut table =
        Table::new(&["", "a change is live after", "requests", "failed", "kept connections closed"]);
    for (way, name) in WAYS {
        let n = bench.rounds(CHANGES, 4);
        let seen = reloads::changes(way, n)?;
        report.row(&format!("{name}, one joins or leaves under load"), Figure::Time(seen.took), None, n);
        let failed = if seen.failed.is_empty() { "0".to_owned() } else { seen.failed };
        report.note(&format!(
            "{} requests, failed: {failed}; connections closed under {n} changes: {}",
            seen.requests, seen.reopened
        ));
        let took = Unit::Seconds.shown(seen.took.as_secs_f64());
        let requests = grouped(seen.requests);
        table.row([name.to_owned(), took, requests, failed, seen.reopened.to_string()]);
    }
    figures.tables.insert("reloads".to_owned(), table);
    Ok(())
}
