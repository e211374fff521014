//! The steps that do not need a running HAProxy, for up to a hundred thousand records.
//!
//! HAProxy reserves a descriptor for each server when it starts. It does not start if the system's limit is lower,
//! which is often 20,000. Its check of the file has no such limit.

use harness::Result;
use harness::chart::{Chart, Line, Lines, Unit, grouped};
use harness::run::programs;

use crate::bench::Bench;
use crate::measures::member_events::joining;
use crate::results::figures::{Figures, Table};
use crate::results::report::{Figure, Report};
use crate::results::sampling::all_in_turn;
use crate::results::timed_run::TimedRun;
use crate::setups::balancer_with_handler::{Layout, SHARD, rendered};
use crate::setups::node_records::NodeRecords;

const SIZES: [(usize, usize); 3] = [(1_000, 9), (10_000, 5), (100_000, 3)];
const QUICK: [(usize, usize); 2] = [(100, 2), (1_000, 2)];
const NAMES: [&str; 3] = ["member-join", "render-cfg", "haproxy -c"];

/// Measures record, render and check with backends of a thousand servers.
pub fn measure(bench: &Bench, report: &mut Report, figures: &mut Figures) -> Result<()> {
    let mut table = Table::new(&["", NAMES[0], NAMES[1], NAMES[2], "memory of render-cfg"]);
    let mut lines = NAMES.map(|name| Line { name: name.to_owned(), points: Vec::new() });
    for (count, n) in if bench.quick { &QUICK[..] } else { &SIZES } {
        let (_run, _net, balancer) = rendered(*count, Layout::Shards)?;
        let shard = |number: usize| vec![("shard", (number % count.div_ceil(SHARD)).to_string())];
        // The records exist already; this only makes the events for the node that changes.
        let mut pool = NodeRecords::fill_with(&balancer.nodes_dir(), 0, &shard)?;
        let mut join = joining(&pool)?;
        let mut render = TimedRun::of(balancer.render_command()?);
        let check = TimedRun::new(programs::find("haproxy")?, ["-c", "-q", "-f"]);
        let mut check = check.with(|command| command.arg(balancer.config()));
        let times = all_in_turn(
            *n,
            1,
            &mut [&mut || join.time(Some(&pool.change())), &mut || render.time(None), &mut || {
                check.time(None)
            }],
        )?;
        let shown = format!("{} records", grouped(*count as u64));
        for ((name, took), line) in NAMES.iter().zip(&times).zip(&mut lines) {
            report.row(&format!("{name}, {shown}, no HAProxy running"), Figure::Time(*took), None, *n);
            line.points.push((*count as f64, took.as_secs_f64()));
        }
        let peak = render.peak(None)?;
        let time = |at: usize| Unit::Seconds.shown(times[at].as_secs_f64());
        let memory = Unit::Mebibytes.shown(peak as f64 / 1024.0);
        table.row([shown, time(0), time(1), time(2), memory]);
    }
    figures.tables.insert("scale-files".to_owned(), table);
    let chart = Lines {
        title: "To a hundred thousand records".to_owned(),
        about: "Backends of 1,000 servers, no HAProxy running. Dashed: what grows in proportion.".to_owned(),
        across: "records".to_owned(),
        unit: Unit::Seconds,
        lines: lines.into(),
    };
    figures.charts.insert("scale-files".to_owned(), Chart::Lines(chart));
    Ok(())
}
