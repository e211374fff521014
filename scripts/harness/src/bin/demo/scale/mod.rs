//! `demo scale`: autoscale starts and stops servers as the load rises and falls.
//!
//! The real autoscale-run runs beside the balancer. This program is only its engine: as a container engine would, it starts
//! and stops backends until there are as many as the scale command says.

mod autoscaler;
mod drawing;
mod look;
pub mod plan;
mod run_of_load;
mod scale_verdict;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use harness::Result;
use harness::run::{Run, poll};

use crate::desk::Desk;
use crate::listener::{Answering, Listener};
use crate::running_demos;
use crate::scale::look::last_decision;
use crate::scale::plan::{Length, Plan};
use crate::scale::run_of_load::RunOfLoad;
use crate::scale::scale_verdict::ScaleVerdict;
use crate::table::{Table, print};

pub use drawing::check_file;

const SERVED: Duration = Duration::from_secs(30);
const HEAD: &str = "    time   requests/s   sessions   per server   wanted   serving   failed   servers (○ starts, ◌ leaves)";

/// Runs it, and draws the chart if one is wanted. The exit code shows the verdict.
pub fn run(name: Option<&str>, length: Length, chart: Option<&Path>) -> Result<ExitCode> {
    let plan = Plan::new(length);
    let (name, directory) = running_demos::claim(name)?;
    let run = Run::over(directory.clone(), Some(&running_demos::home()))?;
    let desk = Arc::new(Desk::start(run, plan.min as usize, plan.delay, true)?);
    let listener = Listener::open(&running_demos::socket(&directory), Arc::clone(&desk))?;
    let answering = Answering::start(listener);
    let code = watch(&plan, &desk, &name, chart);
    let down = answering.end();
    // This ends all processes and removes the directory.
    drop(desk);
    if let Some(request) = down {
        request.end(Ok(()));
    }
    code
}

fn watch(plan: &Plan, desk: &Desk, name: &str, chart: Option<&Path>) -> Result<ExitCode> {
    introduction(plan, desk, name).iter().try_for_each(|line| print(line))?;
    poll::until(SERVED, &format!("{} servers to be up", plan.min), || {
        let servers = desk.scaled.list().cluster.servers().unwrap_or_default();
        (servers.iter().filter(|server| server.is_up()).count() == plan.min as usize).then_some(())
    })?;
    let mut autoscaler = {
        let list = desk.scaled.list();
        autoscaler::start(list.cluster.run(), &list.cluster.balancer, name, &plan.options())?
    };
    poll::try_until(SERVED, "the first number of autoscale", || {
        autoscaler.check()?;
        Ok(last_decision(&autoscaler.log()).map(drop))
    })?;
    let table = Table::begin(HEAD)?;
    let run = RunOfLoad::over(plan, desk, &table, autoscaler)?;
    let verdict = ScaleVerdict {
        plan,
        looks: &run.looks,
        planned: run.planned,
        failures: desk.load.counts().failures_shown(),
        reloads: run.reloads,
    };
    let code = judge(&verdict, desk, &table)?;
    if let Some(path) = chart {
        drawing::write(path, plan, &run.looks)?;
    }
    Ok(code)
}

fn introduction(plan: &Plan, desk: &Desk, name: &str) -> Vec<String> {
    let list = desk.scaled.list();
    let windows = match plan.length {
        Length::Full => "autoscale's windows are the default ones; this takes about ten minutes".to_owned(),
        _ => format!(
            "the windows are shortened for this: {} (default: 15s, 5m, 1m; see --full)",
            plan.windows.join(" ")
        ),
    };
    vec![
        format!(
            "http://{}/ with servers started and stopped by autoscale; stats page http://{}/",
            list.cluster.front(),
            list.cluster.balancer.stats()
        ),
        format!("autoscale-run --every {} {}", autoscaler::EVERY, plan.options().join(" ")),
        windows,
        format!(
            "each request takes {} ms, so there are half as many sessions as requests a second; to look inside: demo --name {name} status",
            plan.delay.as_millis()
        ),
    ]
}

fn judge(verdict: &ScaleVerdict, desk: &Desk, table: &Table) -> Result<ExitCode> {
    table.line("")?;
    for line in verdict.lines() {
        table.line(&line)?;
    }
    if verdict.is_good() {
        return Ok(ExitCode::SUCCESS);
    }
    table.end_of_log(&desk.scaled.list().cluster.balancer.log())?;
    Ok(ExitCode::FAILURE)
}
