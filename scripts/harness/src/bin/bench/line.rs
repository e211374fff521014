//! The three steps in one line of sh, at 1,000 records before a running HAProxy.
//!
//! The line is to end with a reload-haproxy that has nothing to do, while its first two steps change a file. So
//! it renders to a file of its own, and reload-haproxy looks at the one that HAProxy runs: of the same size, and
//! looked at in the same way, but unchanged.

use std::ffi::OsString;

use harness::{Result, programs};

use crate::Bench;
use crate::live::Live;
use crate::report::{Figure, Report};
use crate::sample::{in_turn, ratio};
use crate::step::Step;

const AT_MOST: f64 = 1.3;

/// The three steps against `haproxy -c` alone.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut live = Live::start()?;
    let output = live.balancer.directory().join("line.cfg");
    let mut line = live.line(&output)?;
    let arguments: [OsString; 3] = ["-c".into(), "-f".into(), output.into()];
    let mut check = Step::new(programs::find("haproxy")?, arguments);
    let n = bench.rounds(80, 8);
    let mut steps = || line.time(Some(&live.pool.change()));
    let [steps, alone] = in_turn(n, [&mut steps, &mut || check.time(None)])?;
    report.row("three steps in one line of sh, 1,000 records, one changed", Figure::Time(steps), None, n);
    report.row("haproxy -c on the same file", Figure::Time(alone), None, n);
    let figure = Figure::Ratio(ratio(steps, alone));
    report.row("three steps : haproxy -c", figure, Some(Figure::Ratio(AT_MOST)), n);
    report.note(
        "member-join of the changed member && render-cfg with the check && reload-haproxy with nothing",
    );
    report
        .note("to do: it asks a HAProxy that runs as many servers, from another file than the one rendered");
    Ok(())
}
