//! member-join and member-leave as Serf calls them: stdin is one event with one member, and one record among many
//! changes.

use std::time::Duration;

use harness::Result;
use harness::run::programs;

use crate::bench::Bench;
use crate::results::report::{Figure, Report};
use crate::results::sampling::{in_turn, median, ratio};
use crate::results::timed_run::TimedRun;
use crate::setups::node_records::NodeRecords;

const FEW: usize = 1_000;
const MANY: usize = 10_000;
const TIME: Duration = Duration::from_millis(3);
const MEMORY: u64 = 6 << 10;
/// The limit for "no slower": on a machine with other load, the medians of two equal programs differ by up to this
/// factor.
const NO_SLOWER: f64 = 1.10;
/// How often peak memory is measured. It hardly varies.
pub const PEAKS: usize = 5;

/// Measures member-join for one member that has changed.
pub fn join(bench: &Bench, report: &mut Report) -> Result<()> {
    let [mut few, mut many] = pools(bench, "join")?;
    let [mut join_few, mut join_many] = [joining(&few)?, joining(&many)?];
    let times = in_turn(
        bench.rounds(200, 20),
        [&mut || join_few.time(Some(&few.change())), &mut || join_many.time(Some(&many.change()))],
    )?;
    let peak = peak(|| join_few.peak(Some(&few.change())))?;
    rows(bench, report, "member-join", times, peak);
    Ok(())
}

/// Measures member-leave for one member that has a record.
pub fn leave(bench: &Bench, report: &mut Report) -> Result<()> {
    let [few, many] = pools(bench, "leave")?;
    let [mut join_few, mut join_many] = [joining(&few)?, joining(&many)?];
    let [mut leave_few, mut leave_many] = [leaving(&few)?, leaving(&many)?];
    let once = |join: &mut TimedRun, leave: &mut TimedRun, pool: &NodeRecords| {
        join.time(Some(pool.event()))?;
        leave.time(Some(pool.event()))
    };
    let times = in_turn(
        bench.rounds(200, 20),
        [&mut || once(&mut join_few, &mut leave_few, &few), &mut || {
            once(&mut join_many, &mut leave_many, &many)
        }],
    )?;
    let peak = peak(|| {
        join_few.time(Some(few.event()))?;
        leave_few.peak(Some(few.event()))
    })?;
    rows(bench, report, "member-leave", times, peak);
    Ok(())
}

fn rows(bench: &Bench, report: &mut Report, program: &str, times: [Duration; 2], peak: u64) {
    let [few, many] = times;
    let n = bench.rounds(200, 20);
    report.row(
        &format!("{program}, one member, 1,000 records"),
        Figure::Time(few),
        Some(Figure::Time(TIME)),
        n,
    );
    report.row(&format!("{program}, memory"), Figure::Memory(peak), Some(Figure::Memory(MEMORY)), PEAKS);
    report.row(&format!("{program}, one member, 10,000 records"), Figure::Time(many), None, n);
    let slower = Figure::Ratio(ratio(many, few));
    report.row(&format!("{program}, 10,000 : 1,000 records"), slower, Some(Figure::Ratio(NO_SLOWER)), n);
}

/// The median peak memory of several runs.
pub fn peak(mut once: impl FnMut() -> Result<u64>) -> Result<u64> {
    let peaks: Result<Vec<u64>> = (0..PEAKS).map(|_| once()).collect();
    Ok(median(peaks?))
}

fn pools(bench: &Bench, name: &str) -> Result<[NodeRecords; 2]> {
    let pool = |count: usize| NodeRecords::fill(&bench.run.join(&format!("{name}-{count}")), count);
    Ok([pool(FEW)?, pool(MANY)?])
}

/// Runs member-join on this nodes directory.
pub fn joining(pool: &NodeRecords) -> Result<TimedRun> {
    program("member-join", "member-update", pool)
}

fn leaving(pool: &NodeRecords) -> Result<TimedRun> {
    program("member-leave", "member-leave", pool)
}

fn program(name: &str, event: &str, pool: &NodeRecords) -> Result<TimedRun> {
    let program = programs::bin_dir()?.join(name);
    Ok(TimedRun::new(program, ["--role", "backend"]).env("NODES_DIR", &pool.nodes).env("SERF_EVENT", event))
}
