//! render-cfg with the shipped template. One record is changed each time, so it does all of its work: read, render,
//! compare, write. It runs without `--check`, because a check is HAProxy's time.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use harness::Result;
use harness::run::programs;

use crate::bench::Bench;
use crate::measures::member_events::{PEAKS, joining, peak};
use crate::results::report::{Figure, Report};
use crate::results::sampling::in_turn;
use crate::results::timed_run::TimedRun;
use crate::setups::node_records::NodeRecords;

/// For each size: the number of records, its text in a row, the limits of time and of memory (KiB), and the
/// repetitions.
const SIZES: [(usize, &str, Duration, u64, usize); 2] = [
    (1_000, "1,000", Duration::from_millis(10), 16 << 10, 100),
    (10_000, "10,000", Duration::from_millis(80), 64 << 10, 30),
];

/// The cost of render-cfg for many records.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    for (count, shown, time, memory, full) in SIZES {
        let mut pool = NodeRecords::fill(&bench.run.join(&format!("render-{count}")), count)?;
        let output = bench.run.join(&format!("render-{count}.cfg"));
        let (mut join, mut render) = (joining(&pool)?, rendering(&pool, &output)?);
        let n = bench.rounds(full, 10);
        let mut once = || {
            join.time(Some(&pool.change()))?;
            render.time(None)
        };
        let [took] = in_turn(n, [&mut once])?;
        let peak = peak(|| {
            join.time(Some(&pool.change()))?;
            render.peak(None)
        })?;
        let what = format!("render-cfg, {shown} records, one changed");
        report.row(&what, Figure::Time(took), Some(Figure::Time(time)), n);
        let what = format!("render-cfg, {shown} records, memory");
        report.row(&what, Figure::Memory(peak), Some(Figure::Memory(memory)), PEAKS);
    }
    Ok(())
}

fn rendering(pool: &NodeRecords, output: &Path) -> Result<TimedRun> {
    let template = programs::shipped("render-cfg/templates/haproxy.cfg.tera").into_os_string();
    let arguments: [OsString; 4] = ["--template".into(), template, "--output".into(), output.into()];
    let step = TimedRun::new(programs::bin_dir()?.join("render-cfg"), arguments);
    Ok(step.env("NODES_DIR", &pool.nodes))
}
