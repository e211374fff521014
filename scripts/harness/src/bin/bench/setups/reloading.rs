//! A run of reload-haproxy for a balancer, to be timed.

use std::ffi::OsString;

use harness::Result;
use harness::cluster::balancer::Balancer;
use harness::run::{Run, programs};

use crate::results::timed_run::TimedRun;

/// reload-haproxy with this method, for the file that the balancer has now.
pub fn reloading(balancer: &Balancer, run: &Run, method: &str) -> Result<TimedRun> {
    let (config, state) = (balancer.config(), balancer.directory().join("state"));
    let arguments: [OsString; 6] = [
        "--config".into(),
        config.into(),
        "--state-dir".into(),
        state.into(),
        "--method".into(),
        method.into(),
    ];
    let step = TimedRun::new(programs::bin_dir()?.join("reload-haproxy"), arguments);
    Ok(step.with(|command| run.adopt(command)))
}
