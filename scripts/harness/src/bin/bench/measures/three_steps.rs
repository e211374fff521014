//! The three steps in one line of sh, at 1,000 records, with a running HAProxy.
//!
//! At the end of the line reload-haproxy must have nothing to do, although the first two steps change a file. So
//! render-cfg writes to a separate file. reload-haproxy checks the file that HAProxy runs, which has the same size
//! but does not change.

use std::cell::RefCell;
use std::ffi::OsString;

use harness::Result;
use harness::run::programs;

use crate::bench::Bench;
use crate::results::report::{Figure, Report};
use crate::results::sampling::{in_turn, ratio};
use crate::results::timed_run::TimedRun;
use crate::setups::balancer_of_1000::BalancerOf1000;

const AT_MOST: f64 = 1.3;
/// The check as a user types it.
const TYPED: &str = "haproxy -c -f {}";

/// Measures the three steps with either check, and `haproxy -c` alone.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let live = BalancerOf1000::start()?;
    let output = live.balancer.directory().join("line.cfg");
    // The check of scripts/reconcile, without the system's certificates.
    let check = format!("haproxy -c -f '{}' -f {{}}", programs::shipped("scripts/check.cfg").display());
    let (mut shipped, mut typed) = (live.line(&output, &check)?, live.line(&output, TYPED)?);
    let arguments: [OsString; 3] = ["-c".into(), "-f".into(), output.into()];
    let mut alone = TimedRun::new(programs::find("haproxy")?, arguments);
    let n = bench.rounds(80, 8);
    let pool = RefCell::new(live.pool);
    let change = || pool.borrow_mut().change();
    let [shipped, typed, checked] = in_turn(
        n,
        [&mut || shipped.time(Some(&change())), &mut || typed.time(Some(&change())), &mut || {
            alone.time(None)
        }],
    )?;
    report.row("three steps in one line of sh, 1,000 records, one changed", Figure::Time(shipped), None, n);
    report.row("haproxy -c on the same file", Figure::Time(checked), None, n);
    let figure = |steps| Figure::Ratio(ratio(steps, checked));
    report.row("three steps : haproxy -c", figure(shipped), Some(Figure::Ratio(AT_MOST)), n);
    let row = "three steps with a check that reads certificates : haproxy -c";
    report.row(row, figure(typed), Some(Figure::Ratio(AT_MOST)), n);
    report.note(
        "member-join of the changed member && render-cfg with the check && reload-haproxy with nothing",
    );
    report
        .note("to do: it asks a HAProxy that runs as many servers, from another file than the one rendered");
    report
        .note("the check: haproxy -c -f scripts/check.cfg -f {}, with ROLLCALL_CHECK_CFG=scripts/check.cfg");
    Ok(())
}
