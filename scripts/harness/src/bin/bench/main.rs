//! `bench`: measures what Rollcall's programs cost and how long a visitor waits, on the real programs.
//!
//! `scripts/bench` builds and runs it. A figure is the median of runs after a warm-up. Two programs that are compared
//! are measured in turn (ABAB), so that other load on the machine affects both. The exit code is 0 if all targets are
//! met.

#![allow(unreachable_pub, reason = "a binary has no public items")]

mod bench;
mod measures;
mod results;
mod setups;

use std::process::ExitCode;

use clap::Parser;
use harness::Result;
use harness::run::Run;

use bench::Bench;
use measures::{
    check_changes, demo_tour, files, first_request, member_events, membership_changes, others, profile,
    reload_haproxy, render_cfg, scale, scaling_looks, serf_handler, services, simulation, three_steps,
    watching, whole_change,
};
use results::report::Report;
use results::{figures, machine, timed_run};

const AFTER_HELP: &str = "\
Measures: member-join, member-leave, render-cfg, check-changes, watch, three-steps, reload-haproxy,
reload-haproxy-many, serf-handler, serf-handler-changes, serf-handler-leak, whole-change, files,
services, first-request, autoscale.
Only where they are named:

  tour        a minute of load with the failed requests counted
  others      Rollcall beside other programs (docs/benchmarks.md)
  scale       ten records to a hundred thousand (docs/scale.md)
  simulation  a cluster of ten thousand members into one handler (docs/scale.md)
  profile     instructions and system calls (docs/scale.md)
  draw        measures nothing: draws the charts and tables of docs again

The last five write their results into docs; with --quick, into target/bench instead.

'others' and 'whole-change' measure the installed HAProxy and, if it is there, the one of Debian's
sid in target/debian/haproxy-sid. $NEWER_HAPROXY names another program instead of that one.

Exit status: 0 all within their targets; 1 one is over its target or could not be measured; 2 wrong usage.";

/// Measure what Rollcall's programs cost, and compare that with the targets
#[derive(Parser)]
#[command(name = "bench", after_help = AFTER_HELP)]
struct Args {
    /// Only the measures whose name contains this
    measure: Option<String>,
    /// Few repetitions: a check that it works; the figures are not for quoting
    #[arg(long)]
    quick: bool,
}

type Measure = fn(&Bench, &mut Report) -> Result<()>;

const MEASURES: [(&str, Measure); 21] = [
    ("member-join", member_events::join),
    ("member-leave", member_events::leave),
    ("render-cfg", render_cfg::measure),
    ("check-changes", check_changes::measure),
    ("watch", watching::measure),
    ("three-steps", three_steps::measure),
    ("reload-haproxy", reload_haproxy::one),
    ("reload-haproxy-many", reload_haproxy::many),
    ("serf-handler", serf_handler::measure),
    ("serf-handler-changes", membership_changes::changes),
    ("serf-handler-leak", membership_changes::leak),
    ("whole-change", whole_change::measure),
    ("files", files::measure),
    ("services", services::measure),
    ("first-request", first_request::measure),
    ("autoscale", scaling_looks::measure),
    ("tour", demo_tour::measure),
    ("others", others::measure),
    ("scale", scale::measure),
    ("simulation", simulation::measure),
    ("profile", profile::measure),
];
/// The measures that run only if they are named.
const APART: [&str; 5] = ["tour", "others", "scale", "simulation", "profile"];

fn main() -> ExitCode {
    // This must come first. Otherwise the child's peak memory would include this program's own.
    if let Some(code) = timed_run::watch_peak() {
        return code;
    }
    let args = Args::parse();
    if args.measure.as_deref() == Some("draw") {
        return exit_code(figures::draw_all().map(|()| ExitCode::SUCCESS));
    }
    let wanted: Vec<Measure> =
        MEASURES.iter().filter(|(name, _)| is_wanted(&args, name)).map(|m| m.1).collect();
    if wanted.is_empty() {
        eprintln!("bench: cannot measure '{}': see --help", args.measure.unwrap_or_default());
        return ExitCode::from(2);
    }
    exit_code(run(&args, &wanted))
}

fn exit_code(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|err| {
        eprintln!("bench: {err}");
        ExitCode::FAILURE
    })
}

fn is_wanted(args: &Args, name: &str) -> bool {
    args.measure.as_ref().map_or(!APART.contains(&name), |part| name.contains(part.as_str()))
}

fn run(args: &Args, measures: &[Measure]) -> Result<ExitCode> {
    let bench = Bench { run: Run::new()?, quick: args.quick };
    for line in machine::describe(bench.run.path()) {
        println!("{line}");
    }
    let mut report = Report::begin();
    for measure in measures {
        measure(&bench, &mut report)?;
    }
    Ok(report.end())
}
