//! Counts of what the programs do: instructions (callgrind) and system calls (strace), at 1,000 and 10,000 records.
//!
//! Counts hardly depend on the load of the machine. So they show what times cannot: that each record is opened only
//! once, and which work grows with the number of records although only one record has changed.

use std::collections::BTreeMap;
use std::path::Path;

use harness::chart::grouped;
use harness::run::programs;
use harness::{Error, Result};

use crate::bench::Bench;
use crate::results::figures::{Figures, Table};
use crate::results::machine;
use crate::results::report::{Figure, Report};
use crate::results::timed_run::TimedRun;
use crate::setups::balancer_with_handler::{BalancerWithHandler, Layout};

const SIZES: [usize; 2] = [1_000, 10_000];
const QUICK: [usize; 2] = [100, 1_000];
const PROGRAMS: [&str; 4] = ["member-join", "member-leave", "render-cfg", "reload-haproxy"];
/// How many kinds of system calls are listed.
const NAMED: usize = 6;

/// Calls by name.
type Calls = BTreeMap<String, u64>;

/// Profiles a step with this stdin. The tool writes its output to this file.
type Tool<T> = fn(&TimedRun, Option<&Path>, &Path) -> Result<T>;

/// The counts of one program.
struct Counted {
    instructions: u64,
    calls: Calls,
}

/// Measures all four programs at both sizes.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let sizes = if bench.quick { QUICK } else { SIZES };
    let mut figures = Figures::of("profile", machine::describe(bench.run.path()));
    let mut table = Table::new(&["", "records", "instructions", "system calls", "of them"]);
    let mut opened = Vec::new();
    for count in sizes {
        let counted = profile(count)?;
        let shown = grouped(count as u64);
        for (program, counted) in PROGRAMS.iter().zip(&counted) {
            let calls: u64 = counted.calls.values().sum();
            let what = format!("{program}, {shown} records, one changed: instructions");
            report.row(&what, Figure::Count(counted.instructions), None, 1);
            let what = format!("{program}, {shown} records, one changed: system calls");
            report.row(&what, Figure::Count(calls), None, 1);
            report.note(&most(&counted.calls));
            let millions = format!("{:.1} million", counted.instructions as f64 / 1e6);
            table.row([(*program).to_owned(), shown.clone(), millions, grouped(calls), most(&counted.calls)]);
        }
        opened.push(counted[2].calls.get("openat").copied().unwrap_or_default());
    }
    // Other files than records are opened equally often at both sizes.
    let more = opened[1].saturating_sub(opened[0]) as f64 / (sizes[1] - sizes[0]) as f64;
    let target = Some(Figure::Ratio(1.0));
    report.row("files that render-cfg opens for each record", Figure::Ratio(more), target, 1);
    figures.tables.insert("profile".to_owned(), table);
    figures.publish(bench.quick)
}

/// The most frequent calls, as text.
fn most(calls: &Calls) -> String {
    let mut calls: Vec<_> = calls.iter().collect();
    calls.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
    let shown = calls.iter().take(NAMED).map(|(name, count)| format!("{name} {}", grouped(**count)));
    shown.collect::<Vec<_>>().join(", ")
}

/// The counts of each of the four programs for one member that joins or leaves.
fn profile(count: usize) -> Result<[Counted; 4]> {
    let mut site = BalancerWithHandler::ours(&programs::find("haproxy")?, count, Layout::OneBackend)?;
    let [join, _, apply] = change(&mut site, instructions)?;
    let [leave, render, _] = change(&mut site, instructions)?;
    let [join_calls, ..] = change(&mut site, system_calls)?;
    let [leave_calls, render_calls, apply_calls] = change(&mut site, system_calls)?;
    let all = [(join, join_calls), (leave, leave_calls), (render, render_calls), (apply, apply_calls)];
    Ok(all.map(|(instructions, calls)| Counted { instructions, calls }))
}

/// Makes a change and profiles each step of it: record, render, apply.
fn change<T>(site: &mut BalancerWithHandler, tool: Tool<T>) -> Result<[T; 3]> {
    let output = site.balancer.directory().join("counted");
    site.turn()?;
    let record = tool(&site.recording()?, Some(site.event()), &output)?;
    let render = tool(&site.rendering()?, None, &output)?;
    let apply = tool(&site.reloading("runtime")?, None, &output)?;
    site.settled()?;
    Ok([record, render, apply])
}

/// The instructions of all threads of the program, without those of its children.
fn instructions(step: &TimedRun, input: Option<&Path>, output: &Path) -> Result<u64> {
    let valgrind = programs::find("valgrind")?;
    let text = step.under(
        &valgrind,
        &["--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file="],
        output,
        input,
    )?;
    let line = text.lines().find_map(|line| line.split_once("Collected :"));
    let count = line.and_then(|(_, count)| count.trim().parse().ok());
    count.ok_or_else(|| unreadable("valgrind"))
}

/// The system calls of the program and of the programs that it starts.
fn system_calls(step: &TimedRun, input: Option<&Path>, output: &Path) -> Result<Calls> {
    let text = step.under(&programs::find("strace")?, &["-f", "-c", "-o"], output, input)?;
    let calls = calls(&text);
    if calls.is_empty() { Err(unreadable("strace")) } else { Ok(calls) }
}

/// strace's table: percent, seconds, microseconds a call, calls, errors if there were any, name.
fn calls(text: &str) -> Calls {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (count, name) = (words.get(3)?.parse().ok()?, *words.last()?);
        words.first()?.parse::<f64>().ok().filter(|_| name != "total").map(|_| (name.to_owned(), count))
    };
    text.lines().filter_map(row).collect()
}

fn unreadable(program: &str) -> Error {
    Error::Answer { from: program.to_owned(), reason: "it counted nothing".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_strace_is_read_with_and_without_errors() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
                    ------ ----------- ----------- --------- --------- ----------------\n \
                    50.00    0.000100           1      1012         2 openat\n \
                    50.00    0.000100           1      1010           read\n\
                    ------ ----------- ----------- --------- --------- ----------------\n\
                    100.00    0.000200           1      2022         2 total\n";
        let expected = [("openat", 1012), ("read", 1010)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(calls(text), Calls::from(expected));
    }
}
