//! The whole change by `scripts/serf-handler` and by a handler in shell, with the installed HAProxy and a newer one.
//!
//! All servers are in one backend, as in the shipped template. All handlers with both versions are measured in turn.

use std::time::Duration;

use harness::Result;
use harness::chart::{Chart, Line, Lines, Unit, grouped};

use crate::bench::Bench;
use crate::results::figures::{Figures, Table};
use crate::results::report::{Figure, Report};
use crate::results::sampling::{Subject, figures_in_turn, median, ratio};
use crate::setups::balancer_with_handler::{BalancerWithHandler, Layout};
use crate::setups::haproxy_versions::{HaproxyVersion, installed, newer};

/// A number of servers.
struct Size {
    count: usize,
    /// Rounds, and before them warm-up rounds.
    rounds: [usize; 2],
    /// The same in a quick run.
    quick: [usize; 2],
    /// The handler in shell takes part in one of so many rounds.
    shell_every: usize,
    /// The least factor by which the handler in shell must be slower.
    at_least: Option<f64>,
}

/// At 10,000 servers, the handler in shell starts twenty thousand programs for each change.
const SIZES: [Size; 4] = [
    Size { count: 10, rounds: [15, 2], quick: [2, 1], shell_every: 1, at_least: None },
    Size { count: 100, rounds: [11, 2], quick: [2, 1], shell_every: 1, at_least: None },
    Size { count: 1_000, rounds: [7, 2], quick: [2, 1], shell_every: 1, at_least: Some(30.0) },
    Size { count: 10_000, rounds: [9, 1], quick: [1, 0], shell_every: 3, at_least: None },
];
const HANDLERS: [&str; 3] =
    ["scripts/serf-handler", "handler in shell", "the same, all records with one awk"];
/// Their names in the chart and in the report, each before the version of HAProxy.
const SHORT: [&str; 3] = ["serf-handler", "handler in shell", "the same, one awk"];

/// Of each handler, the median and of how many changes it is.
type Times = [(Duration, usize); 3];

/// Measures all sizes: rows, a table and a chart.
pub fn measure(bench: &Bench, report: &mut Report, figures: &mut Figures) -> Result<()> {
    let versions = [installed()?, newer()];
    let [ours, shell, awk] = HANDLERS;
    let mut table = Table::new(&["", ours, shell, awk, "shell : Rollcall", "changes measured"]);
    let name = |version: &HaproxyVersion| SHORT.map(|handler| format!("{handler}, {}", version.name));
    let names = versions.iter().flat_map(name);
    let mut lines: Vec<Line> = names.map(|name| Line { name, points: Vec::new() }).collect();
    for size in &SIZES {
        let measured = size.measure(bench, &versions)?;
        for ((version, times), lines) in versions.iter().zip(measured).zip(lines.chunks_mut(SHORT.len())) {
            let what = format!("{} servers, HAProxy {}", grouped(size.count as u64), version.name);
            table.row(row(&what, times));
            let Some(times) = times else {
                report.note(&format!("{what}: nothing measured"));
                continue;
            };
            size.report(report, &what, times);
            for (line, (took, _)) in lines.iter_mut().zip(times) {
                line.points.push((size.count as f64, took.as_secs_f64()));
            }
        }
    }
    lines.retain(|line| !line.points.is_empty());
    figures.tables.insert("handlers".to_owned(), table);
    figures.charts.insert("handlers".to_owned(), chart(lines));
    Ok(())
}

impl Size {
    /// The times for each version; `None` for a version that is missing.
    fn measure(&self, bench: &Bench, versions: &[HaproxyVersion]) -> Result<Vec<Option<Times>>> {
        let (mut sites, every) = (Vec::new(), [1, self.shell_every, 1]);
        for program in versions.iter().filter_map(|version| version.program.as_deref()) {
            sites.push(BalancerWithHandler::ours(program, self.count, Layout::OneBackend)?);
            sites.push(BalancerWithHandler::shell(program, self.count, &[])?);
            sites.push(BalancerWithHandler::shell(program, self.count, &["--one-awk"])?);
        }
        let mut changes: Vec<_> = sites.iter_mut().map(|site| || site.change()).collect();
        let changes = changes.iter_mut().map(|change| -> Subject<'_> { change });
        let mut subjects: Vec<_> = every.into_iter().cycle().zip(changes).collect();
        let [rounds, warm_up] = if bench.quick { self.quick } else { self.rounds };
        let figures = figures_in_turn(rounds, warm_up, &mut subjects)?;
        let times: Vec<_> =
            figures.into_iter().map(|figures| (median(figures.clone()), figures.len())).collect();
        let mut times = times.chunks_exact(HANDLERS.len()).map(|times| [times[0], times[1], times[2]]);
        Ok(versions.iter().map(|version| version.program.as_ref().and_then(|_| times.next())).collect())
    }

    fn report(&self, report: &mut Report, what: &str, times: Times) {
        for (name, (took, n)) in SHORT.iter().zip(times) {
            report.row(&format!("{name}, {what}"), Figure::Time(took), None, n);
        }
        // A ratio (ours to theirs) is judged by its upper limit.
        let at_most = self.at_least.map(|factor| Figure::Ratio(1.0 / factor));
        let what = format!("serf-handler : handler in shell, {what}");
        let [(ours, _), (shell, n), _] = times;
        report.row(&what, Figure::Ratio(ratio(ours, shell)), at_most, n);
    }
}

/// A row of the table, with a dash for each figure that is missing.
fn row(what: &str, times: Option<Times>) -> Vec<String> {
    let figures = times.map_or_else(
        || vec!["–".to_owned(); HANDLERS.len() + 2],
        |times| {
            let [(ours, n), (shell, by_shell), _] = times;
            let factor = format!("{:.1} ×", ratio(shell, ours));
            let changes = if by_shell == n { n.to_string() } else { format!("{n}; in shell {by_shell}") };
            let times = times.map(|(took, _)| Unit::Seconds.shown(took.as_secs_f64()));
            times.into_iter().chain([factor, changes]).collect()
        },
    );
    [vec![what.to_owned()], figures].concat()
}

fn chart(lines: Vec<Line>) -> Chart {
    Chart::Lines(Lines {
        title: "One change of membership, from the handler's call to its end".to_owned(),
        about: "Each checks the file with HAProxy, whose version is behind the name. Dashed: what grows in proportion."
            .to_owned(),
        across: "servers in one backend".to_owned(),
        unit: Unit::Seconds,
        lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_as_many_cells_with_and_without_figures() {
        let times = |by_shell| {
            let [ours, shell, awk] = [10, 205, 40].map(Duration::from_millis);
            Some([(ours, 9), (shell, by_shell), (awk, 9)])
        };
        let measured = row("10 servers", times(9));
        assert_eq!(measured, ["10 servers", "10 ms", "205 ms", "40 ms", "20.5 ×", "9"]);
        assert_eq!(row("10 servers", times(3))[5], "9; in shell 3");
        assert_eq!(row("10 servers", None), ["10 servers", "–", "–", "–", "–", "–"]);
    }
}
