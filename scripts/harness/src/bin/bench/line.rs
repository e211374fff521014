//! The three steps in one line of sh, at 1,000 records before a running HAProxy.
//!
//! The line is to end with a reload-haproxy that has nothing to do, while its first two steps change a file. So
//! it renders to a file of its own, and reload-haproxy looks at the one that HAProxy runs: of the same size, and
//! looked at in the same way, but unchanged.

use std::cell::RefCell;
use std::ffi::OsString;

use harness::{Result, programs};

use crate::Bench;
use crate::live::Live;
use crate::report::{Figure, Report};
use crate::sample::{in_turn, ratio};
use crate::step::Step;

const AT_MOST: f64 = 1.3;
/// The check as scripts/reconcile has it, without the system's certificates; and as one types it.
const CHECKS: [&str; 2] = ["env SSL_CERT_DIR=/nonexistent haproxy -c -f {}", "haproxy -c -f {}"];

/// The three steps, with either check, against `haproxy -c` alone.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let live = Live::start()?;
    let output = live.balancer.directory().join("line.cfg");
    let [shipped, typed] = CHECKS.map(|check| live.line(&output, check));
    let (mut shipped, mut typed) = (shipped?, typed?);
    let arguments: [OsString; 3] = ["-c".into(), "-f".into(), output.into()];
    let mut check = Step::new(programs::find("haproxy")?, arguments);
    let n = bench.rounds(80, 8);
    let pool = RefCell::new(live.pool);
    let change = || pool.borrow_mut().change();
    let [shipped, typed, alone] = in_turn(
        n,
        [&mut || shipped.time(Some(&change())), &mut || typed.time(Some(&change())), &mut || {
            check.time(None)
        }],
    )?;
    report.row("three steps in one line of sh, 1,000 records, one changed", Figure::Time(shipped), None, n);
    report.row("haproxy -c on the same file", Figure::Time(alone), None, n);
    let figure = |steps| Figure::Ratio(ratio(steps, alone));
    report.row("three steps : haproxy -c", figure(shipped), Some(Figure::Ratio(AT_MOST)), n);
    report.row("three steps with a check that reads certificates : haproxy -c", figure(typed), None, n);
    report.note(
        "member-join of the changed member && render-cfg with the check && reload-haproxy with nothing",
    );
    report
        .note("to do: it asks a HAProxy that runs as many servers, from another file than the one rendered");
    report.note(&format!("the check: {}", CHECKS[0]));
    Ok(())
}
