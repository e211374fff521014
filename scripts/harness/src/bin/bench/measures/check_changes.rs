//! render-cfg with the check of scripts/reconcile, once of what changed and once of the whole file.
//!
//! All servers are in one backend, where the check of the whole file takes longest.

use std::ffi::OsString;

use harness::Result;
use harness::run::programs;

use crate::bench::Bench;
use crate::measures::member_events::joining;
use crate::results::report::{Figure, Report};
use crate::results::sampling::{in_turn, ratio};
use crate::results::timed_run::TimedRun;
use crate::setups::node_records::NodeRecords;

/// For each size: the number of records, its text in a row, the limit of the ratio, and the repetitions.
const SIZES: [(usize, &str, f64, usize); 2] = [(1_000, "1,000", 1.1, 40), (10_000, "10,000", 0.75, 15)];

/// The cost of a change with either check.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    for (count, shown, at_most, full) in SIZES {
        let mut pool = NodeRecords::fill(&bench.run.join(&format!("checked-{count}")), count)?;
        let mut join = joining(&pool)?;
        let (mut part, mut whole) = (rendering(bench, &pool, true)?, rendering(bench, &pool, false)?);
        let n = bench.rounds(full, 4);
        let mut after_a_change = || {
            join.time(Some(&pool.change()))?;
            part.time(None)
        };
        // Both have outputs of their own, so the same change is new to both.
        let [part, whole] = in_turn(n, [&mut after_a_change, &mut || whole.time(None)])?;
        let row = |what: &str| format!("render-cfg with check, {shown} servers, one changed{what}");
        report.row(&row(""), Figure::Time(part), None, n);
        report.row(&row(", the whole checked"), Figure::Time(whole), None, n);
        let limit = Some(Figure::Ratio(at_most));
        report.row(
            &format!("{shown} servers: what changed : the whole"),
            Figure::Ratio(ratio(part, whole)),
            limit,
            n,
        );
    }
    Ok(())
}

/// render-cfg with an output of its own.
fn rendering(bench: &Bench, pool: &NodeRecords, is_part: bool) -> Result<TimedRun> {
    let output = pool.nodes.with_extension(if is_part { "part.cfg" } else { "whole.cfg" });
    let spared = programs::shipped("scripts/check.cfg");
    let check = format!("{} -c -f '{}' -f {{}}", programs::find("haproxy")?.display(), spared.display());
    let template = programs::shipped("render-cfg/templates/haproxy.cfg.tera");
    let mut arguments: Vec<OsString> =
        vec!["--template".into(), template.into(), "--output".into(), output.into()];
    arguments.extend([
        "--check".into(),
        check.into(),
        "--set".into(),
        "user=".into(),
        "--set".into(),
        "group=".into(),
    ]);
    if is_part {
        arguments.extend(["--check-changes".into(), bench.run.join("checked").into()]);
    }
    let step = TimedRun::new(programs::bin_dir()?.join("render-cfg"), arguments);
    Ok(step.env("NODES_DIR", &pool.nodes).env("ROLLCALL_CHECK_CFG", spared))
}
