//! `render-cfg --watch` with the shipped template: from the moment when one of many records has changed until the new
//! haproxy.cfg is there, and until `--then` has run. Both are without the quiet time, which an operator chooses.
//!
//! It runs without `--check`, and `--then` does next to nothing: both are HAProxy's time.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::run::daemon::Daemon;
use harness::run::{poll, programs};
use harness::{Error, Result};

use crate::bench::Bench;
use crate::measures::member_events::joining;
use crate::results::report::{Figure, Report};
use crate::results::sampling::median;
use crate::results::timed_run::{TimedRun, resident, system};
use crate::setups::node_records::NodeRecords;

/// For each size: the number of records, its text in a row, the limits until the file is there and until `--then` has run,
/// and the repetitions.
const SIZES: [(usize, &str, [Option<Duration>; 2], usize); 2] = [
    (10_000, "10,000", [None, Some(Duration::from_millis(60))], 30),
    (100_000, "100,000", [Some(Duration::from_millis(300)), None], 9),
];
const QUIET: Duration = Duration::from_millis(100);
/// Longer than a record's stamp needs to settle: a change is to find a program that knows all records.
const REST: Duration = Duration::from_millis(1_500);
/// The first render of 100,000 records.
const SLOW: Duration = Duration::from_secs(60);

/// The time of a change, for each size.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    for (count, shown, limits, full) in SIZES.iter().take(if bench.quick { 1 } else { SIZES.len() }) {
        let mut watched = Watched::start(bench, *count)?;
        let n = bench.rounds(*full, 5);
        let mut times: [Vec<Duration>; 2] = Default::default();
        for _ in 0..n {
            let took = watched.change()?;
            times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
        }
        for ((what, limit), times) in ["written", "--then done"].iter().zip(limits).zip(times) {
            let what = format!("render-cfg --watch, {shown} records, one changed: {what}");
            report.row(&what, Figure::Time(median(times)), limit.map(Figure::Time), n);
        }
        let memory = Figure::Memory(resident(watched.program.id())?);
        report.row(&format!("render-cfg --watch, {shown} records: memory"), memory, None, 1);
    }
    Ok(())
}

/// A program that watches.
struct Watched {
    program: Daemon,
    pool: NodeRecords,
    join: TimedRun,
    output: PathBuf,
    mark: PathBuf,
}

impl Watched {
    /// Starts it with this number of records.
    fn start(bench: &Bench, count: usize) -> Result<Watched> {
        let path = |name: &str| bench.run.join(&format!("watch-{count}{name}"));
        let (output, mark) = (path(".cfg"), path(".mark"));
        let pool = NodeRecords::fill(&path(""), count)?;
        let join = joining(&pool)?;
        let mut command = Command::new(programs::bin_dir()?.join("render-cfg"));
        command.arg("--template").arg(programs::shipped("render-cfg/templates/haproxy.cfg.tera"));
        command.arg("--nodes").arg(&pool.nodes).arg("--output").arg(&output);
        command
            .args(["--watch", "--look-every", "1h", "--quiet-for"])
            .arg(format!("{}ms", QUIET.as_millis()));
        command.arg("--then").arg(format!("touch {}", mark.display()));
        let program = Daemon::start(&bench.run, &format!("watch-{count}"), command)?;
        poll::until(SLOW, "the first render", || mark.exists().then_some(()))?;
        let mut watched = Watched { program, pool, join, output, mark };
        // The program has begun before some records had settled, so this one is not counted.
        watched.change()?;
        Ok(watched)
    }

    /// Changes a record; returns how long it took, less the quiet time, until the output was there and until the command
    /// had run.
    fn change(&mut self) -> Result<[Duration; 2]> {
        poll::pass(REST)?;
        let [output, mark] = [version(&self.output), version(&self.mark)];
        self.join.time(Some(&self.pool.change()))?;
        // The record was renamed a little earlier, and synced then.
        let start = renamed(self.pool.nodes.as_path())?;
        let written = self.wait(&self.output, output)?;
        let done = self.wait(&self.mark, mark)?;
        Ok([written, done].map(|at| at.saturating_duration_since(start + QUIET)))
    }

    /// Waits until another version of a file is there.
    fn wait(&self, path: &Path, old: Version) -> Result<Instant> {
        let start = Instant::now();
        while version(path) == old {
            if start.elapsed() > SLOW || poll::is_interrupted() {
                return Err(Error::Late { what: format!("'{}'", path.display()), within: SLOW });
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(Instant::now())
    }
}

/// Inode and time of a file: one of them is new after a rename or a `touch`.
type Version = Option<(u64, i64, i64)>;

fn version(path: &Path) -> Version {
    fs::metadata(path).ok().map(|file| (file.ino(), file.mtime(), file.mtime_nsec()))
}

/// When a record was last renamed in this directory.
fn renamed(nodes: &Path) -> Result<Instant> {
    let time = fs::metadata(nodes).and_then(|directory| directory.modified());
    let time = time.map_err(system("read", nodes))?;
    Ok(Instant::now() - time.elapsed().unwrap_or_default())
}
