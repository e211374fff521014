//! Rollcall compared with other programs: template renderers, a handler written in shell, and the cost of a reload.
//!
//! They are measured in one run, in turn, on the same data. Each figure is for a whole program from its call to its
//! end, as a handler would call it. The results go into `docs/benchmarks.md`; `scripts/bench.d/install-others`
//! installs the other programs.

mod dialect;
mod reloads;
mod renderers;
mod rendering;

use harness::Result;
use harness::chart::{Chart, Line, Lines, Unit, grouped};

use crate::bench::Bench;
use crate::results::figures::{Figures, Table};
use crate::results::machine;
use crate::results::report::{Figure, Report};
use crate::results::sampling::{Subject, all_in_turn, ratio};
use crate::setups::balancer_with_handler::{BalancerWithHandler, Layout};

use crate::measures::others::reloads::Way;

/// For each size: the number of nodes, the repetitions, and the least factor by which the handler in shell must be
/// slower.
const HANDLED: [(usize, usize, Option<f64>); 3] = [(10, 15, None), (100, 11, None), (1_000, 7, Some(30.0))];
const CHANGES: usize = 30;

/// Runs all of these measures.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut figures = Figures::of("others", machine::describe(bench.run.path()));
    rendering::measure(bench, report, &mut figures)?;
    handling(bench, report, &mut figures)?;
    reloading(bench, report, &mut figures)?;
    figures.publish(bench.quick)
}

fn handling(bench: &Bench, report: &mut Report, figures: &mut Figures) -> Result<()> {
    const NAMES: [&str; 3] =
        ["scripts/serf-handler", "handler in shell", "the same, all records with one awk"];
    let mut table = Table::new(&["", NAMES[0], NAMES[1], NAMES[2], "shell : Rollcall"]);
    let mut lines = NAMES.map(|name| Line { name: name.to_owned(), points: Vec::new() });
    for (count, full, at_least) in HANDLED {
        let n = bench.rounds(full, 2);
        let (mut ours, mut shell, mut awk) = (
            BalancerWithHandler::ours(count, Layout::OneBackend)?,
            BalancerWithHandler::shell(count, &[])?,
            BalancerWithHandler::shell(count, &["--one-awk"])?,
        );
        let mut subjects: [Subject<'_>; 3] =
            [&mut || ours.change(), &mut || shell.change(), &mut || awk.change()];
        let times = all_in_turn(n, 2, &mut subjects)?;
        let shown = grouped(count as u64);
        for (name, took) in NAMES.iter().zip(&times) {
            report.row(&format!("{name}, {shown} nodes, one changed"), Figure::Time(*took), None, n);
        }
        let factor = ratio(times[1], times[0]);
        // A ratio (ours to theirs) is judged by its upper limit.
        let at_most = at_least.map(|factor| Figure::Ratio(1.0 / factor));
        let what = format!("serf-handler : handler in shell, {shown} nodes");
        report.row(&what, Figure::Ratio(1.0 / factor), at_most, n);
        let time = |at: usize| Unit::Seconds.shown(times[at].as_secs_f64());
        table.row([format!("{shown} nodes"), time(0), time(1), time(2), format!("{factor:.1} ×")]);
        for (line, took) in lines.iter_mut().zip(&times) {
            line.points.push((count as f64, took.as_secs_f64()));
        }
    }
    figures.tables.insert("handlers".to_owned(), table);
    let chart = Lines {
        title: "One change of membership, from the handler's call to its end".to_owned(),
        about: "haproxy -c is on in all of them. Dashed: what grows in proportion.".to_owned(),
        across: "nodes".to_owned(),
        unit: Unit::Seconds,
        lines: lines.into(),
    };
    figures.charts.insert("handlers".to_owned(), Chart::Lines(chart));
    Ok(())
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
