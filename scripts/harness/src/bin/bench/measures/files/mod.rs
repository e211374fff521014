//! reload-haproxy changing the files that the configuration names, compared with the same changes by a reload.

mod certificates;
mod map;

use harness::Result;

use crate::bench::Bench;
use crate::results::report::Report;

/// Measures a large map and many certificates.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    map::measure(bench, report)?;
    certificates::measure(bench, report)
}
