//! How the time and memory of each step grow from ten records to a hundred thousand, and where HAProxy's limits are.
//!
//! The servers are in backends of a thousand each, because HAProxy 2.6 compares every server with all others of its
//! backend. The cost with a single backend is measured too. The servers do not exist and are checked once a minute;
//! the cost of checks is measured separately, with servers that answer. The results go into `docs/scale.md`.

mod checks;
mod files;

use std::time::Duration;

use harness::chart::{Chart, Line, Lines, Unit, grouped};
use harness::run::programs;
use harness::{Error, Result};

use crate::bench::Bench;
use crate::results::figures::{Figures, Table};
use crate::results::machine;
use crate::results::report::{Figure, Report};
use crate::results::sampling::median;
use crate::results::timed_run::resident;
use crate::setups::balancer_with_handler::{BalancerWithHandler, Layout};

/// For each size: the number of records and the repetitions.
const SIZES: [(usize, usize); 4] = [(10, 11), (100, 11), (1_000, 9), (10_000, 5)];
/// The same for one backend, up to the size at which HAProxy itself would take minutes.
const ONE_BACKEND: [(usize, usize); 4] = [(100, 5), (1_000, 5), (3_000, 3), (10_000, 3)];
/// The sizes of a quick run, for either layout.
const QUICK: [(usize, usize); 2] = [(10, 2), (1_000, 2)];
const COLUMNS: [&str; 9] = [
    "",
    "member-join or -leave",
    "render-cfg",
    "haproxy -c",
    "reload-haproxy, by commands",
    "reload-haproxy, by a reload",
    "serf-handler",
    "start of HAProxy",
    "show servers state",
];

/// The target for measurements that failed: none.
const FAILED: Option<Figure> = Some(Figure::Count(0));

/// The figures of one size.
struct Point {
    count: usize,
    record: Duration,
    render: Duration,
    check: Duration,
    commands: Duration,
    reload: Duration,
    handler: Duration,
    start: Duration,
    /// Peak memory of record, render, commands, haproxy -c and HAProxy's worker, in KiB.
    peaks: [u64; 5],
    /// The length of `show servers state`, in bytes.
    state: usize,
}

/// Runs all of these measures.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut figures = Figures::of("scale", machine::describe(bench.run.path()));
    let sizes = |full: &'static [(usize, usize)]| if bench.quick { &QUICK } else { full };
    let shards = points(report, Layout::Shards, sizes(&SIZES))?;
    let one = points(report, Layout::OneBackend, sizes(&ONE_BACKEND))?;
    figures.tables.insert("scale".to_owned(), times(&shards));
    figures.tables.insert("scale-one-backend".to_owned(), times(&one));
    figures.tables.insert("scale-memory".to_owned(), memory(&shards));
    draw(&shards, &one, &mut figures);
    files::measure(bench, report, &mut figures)?;
    bench.off_the_network(|| checks::measure(bench, report, &mut figures))?;
    figures.publish(bench.quick)
}

/// Makes the three charts.
fn draw(shards: &[Point], one: &[Point], figures: &mut Figures) {
    let line = |name: &str, points: &[Point], value: fn(&Point) -> f64| Line {
        name: name.to_owned(),
        points: points.iter().map(|point| (point.count as f64, value(point))).collect(),
    };
    let chart = |title: &str, about: &str, unit, lines| {
        let (title, about, across) = (title.to_owned(), about.to_owned(), "records".to_owned());
        Chart::Lines(Lines { title, about, across, unit, lines })
    };
    let ours = vec![
        line("serf-handler", shards, |point| point.handler.as_secs_f64()),
        line("render-cfg", shards, |point| point.render.as_secs_f64()),
        line("reload-haproxy, by commands", shards, |point| point.commands.as_secs_f64()),
        line("member-join or -leave", shards, |point| point.record.as_secs_f64()),
    ];
    let about = "One member joins or leaves. Backends of 1,000 servers. Dashed: what grows in proportion.";
    figures.charts.insert("scale".to_owned(), chart("Time for one change", about, Unit::Seconds, ours));
    let theirs = vec![
        line("reload, one backend", one, |point| point.reload.as_secs_f64()),
        line("haproxy -c, one backend", one, |point| point.check.as_secs_f64()),
        line("reload, backends of 1,000", shards, |point| point.reload.as_secs_f64()),
        line("haproxy -c, backends of 1,000", shards, |point| point.check.as_secs_f64()),
    ];
    let about = "HAProxy 2.6 compares each server with all others of its backend.";
    figures
        .charts
        .insert("scale-haproxy".to_owned(), chart("HAProxy's own part", about, Unit::Seconds, theirs));
    let memory = vec![
        line("HAProxy, a worker", shards, |point| mebibytes(point.peaks[4])),
        line("haproxy -c", shards, |point| mebibytes(point.peaks[3])),
        line("render-cfg", shards, |point| mebibytes(point.peaks[1])),
        line("reload-haproxy", shards, |point| mebibytes(point.peaks[2])),
        line("member-join or -leave", shards, |point| mebibytes(point.peaks[0])),
    ];
    let about = "The most that a program had resident; of HAProxy what it has after its start.";
    figures.charts.insert("scale-memory".to_owned(), chart("Memory", about, Unit::Mebibytes, memory));
}

fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn points(report: &mut Report, layout: Layout, sizes: &[(usize, usize)]) -> Result<Vec<Point>> {
    let mut points: Vec<Point> = Vec::new();
    for (count, n) in sizes {
        let point = match point(*count, *n, layout) {
            Ok(point) => point,
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            // The figures of the smaller sizes are kept.
            Err(err) => {
                report.row(&format!("could not be measured: {count} records"), Figure::Count(1), FAILED, 1);
                report.note(&err.to_string());
                continue;
            }
        };
        let place = if layout == Layout::Shards { "" } else { ", one backend" };
        let shown = format!("{} records{place}", grouped(*count as u64));
        let mut row =
            |what: &str, took| report.row(&format!("{what}, {shown}"), Figure::Time(took), None, *n);
        row("member-join or member-leave, one member", point.record);
        row("render-cfg, one changed", point.render);
        row("haproxy -c", point.check);
        row("reload-haproxy, one change by commands", point.commands);
        row("reload-haproxy, one change by a reload", point.reload);
        row("scripts/serf-handler, one change", point.handler);
        row("start of HAProxy", point.start);
        report.row(&format!("memory of HAProxy's worker, {shown}"), Figure::Memory(point.peaks[4]), None, 1);
        points.push(point);
    }
    Ok(points)
}

/// Measures one size. In each round, two changes are made step by step and timed, then the handler makes one.
fn point(count: usize, n: usize, layout: Layout) -> Result<Point> {
    let mut site = BalancerWithHandler::ours(&programs::find("haproxy")?, count, layout)?;
    let worker = resident(site.haproxy.worker_pid()?)?;
    let state = site.haproxy.command("show servers state")?.len();
    let mut times: [Vec<Duration>; 6] = Default::default();
    // The first round is a warm-up.
    for round in 0..=n {
        let mut took = by_hand(&mut site, "runtime")?.to_vec();
        // Restores the state before it, this time by a reload.
        took.push(by_hand(&mut site, "master")?[3]);
        took.push(site.change()?);
        if round > 0 {
            times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
        }
    }
    let [record, render, check, commands, reload, handler] = times.map(median);
    let [a, b, c, d] = peaks(&mut site)?;
    let start = site.started_in;
    let peaks = [a, b, c, d, worker];
    Ok(Point { count, record, render, check, commands, reload, handler, start, peaks, state })
}

/// Makes a change step by step; returns the times of record, render, check and apply.
fn by_hand(site: &mut BalancerWithHandler, method: &str) -> Result<[Duration; 4]> {
    site.turn()?;
    let before = site.haproxy.worker_pid()?;
    let record = site.recording()?.time(Some(site.event()))?;
    let render = site.rendering()?.time(None)?;
    let check = site.checking()?.time(None)?;
    let apply = site.reloading(method)?.time(None)?;
    site.settled()?;
    if method == "runtime" && site.haproxy.worker_pid()? != before {
        return Err(Error::Unfit("it was reloaded".to_owned()));
    }
    Ok([record, render, check, apply])
}

/// The peak memory of record, render, apply and check.
fn peaks(site: &mut BalancerWithHandler) -> Result<[u64; 4]> {
    site.turn()?;
    let record = site.recording()?.peak(Some(site.event()))?;
    let render = site.rendering()?.peak(None)?;
    let check = site.checking()?.peak(None)?;
    let apply = site.reloading("runtime")?.peak(None)?;
    Ok([record, render, apply, check])
}

fn times(points: &[Point]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for point in points {
        let times = [
            point.record,
            point.render,
            point.check,
            point.commands,
            point.reload,
            point.handler,
            point.start,
        ];
        let times = times.map(|took| Unit::Seconds.shown(took.as_secs_f64()));
        let state = Unit::Mebibytes.shown(point.state as f64 / f64::from(1 << 20));
        let count = format!("{} records", grouped(point.count as u64));
        table.row([count].into_iter().chain(times).chain([state]));
    }
    table.row(growth(points));
    table
}

/// The exponent between the last two sizes, for each step: 0 is constant, 1 proportional, 2 quadratic.
fn growth(points: &[Point]) -> Vec<String> {
    let [.., from, to] = points else { return Vec::new() };
    let exponent =
        |a: f64, b: f64| format!("{:.2}", (b / a).log10() / (to.count as f64 / from.count as f64).log10());
    let of = |value: fn(&Point) -> Duration| exponent(value(from).as_secs_f64(), value(to).as_secs_f64());
    vec![
        "exponent at the end".to_owned(),
        of(|point| point.record),
        of(|point| point.render),
        of(|point| point.check),
        of(|point| point.commands),
        of(|point| point.reload),
        of(|point| point.handler),
        of(|point| point.start),
        exponent(from.state as f64, to.state as f64),
    ]
}

fn memory(points: &[Point]) -> Table {
    let names =
        ["", "member-join or -leave", "render-cfg", "reload-haproxy", "haproxy -c", "HAProxy, a worker"];
    let mut table = Table::new(&names);
    for point in points {
        let peaks = point.peaks.map(|kib| Unit::Mebibytes.shown(mebibytes(kib)));
        table.row([format!("{} records", grouped(point.count as u64))].into_iter().chain(peaks));
    }
    table
}
