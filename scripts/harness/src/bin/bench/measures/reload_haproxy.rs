//! reload-haproxy changing servers while HAProxy runs, compared with the same changes by a reload.

use std::cell::RefCell;
use std::time::Duration;

use harness::Result;

use crate::bench::Bench;
use crate::results::report::{Figure, Report};
use crate::results::sampling::{in_turn, ratio};
use crate::setups::changing_config::ChangingConfig;

/// For each size: the number of servers, its text in a row, the time limit of a change, and the repetitions.
const SIZES: [(usize, &str, Duration, usize); 2] =
    [(1_000, "1,000", Duration::from_millis(5), 60), (10_000, "10,000", Duration::from_millis(12), 20)];
const JOINS: usize = 1_000;
/// For each case: the number of servers before a thousand join, its text in a row, and the time limit. HAProxy
/// searches all its servers to find one, so with a thousand servers most of the time is HAProxy's, and there is no
/// limit.
const CROWDS: [(usize, &str, Option<Duration>); 2] =
    [(10, "10", Some(Duration::from_millis(150))), (1_000, "1,000", None)];

/// Measures one server that joins, moves or leaves, and a run with nothing to do.
pub fn one(bench: &Bench, report: &mut Report) -> Result<()> {
    for (count, shown, time, full) in SIZES {
        let swap = RefCell::new(ChangingConfig::start(count, 1)?);
        let n = bench.rounds(full, 5);
        let mut reload = || {
            swap.borrow_mut().join()?;
            let took = swap.borrow().reload()?;
            swap.borrow_mut().leave()?;
            swap.borrow().change().map(|_| took)
        };
        let after = |exchange: fn(&mut ChangingConfig) -> Result<()>| {
            exchange(&mut swap.borrow_mut())?;
            swap.borrow().change()
        };
        let [reloaded, joined, moved, left, nothing] = in_turn(
            n,
            [
                &mut reload,
                &mut || after(ChangingConfig::join),
                &mut || after(ChangingConfig::relocate),
                &mut || after(ChangingConfig::leave),
                &mut || swap.borrow().change(),
            ],
        )?;
        let mut row = |what: &str, figure, target| {
            report.row(&format!("reload-haproxy, {shown} servers, {what}"), figure, target, n);
        };
        row("nothing to do", Figure::Time(nothing), None);
        let target = Some(Figure::Time(time));
        row("one joins", Figure::Time(joined), target);
        row("one moves", Figure::Time(moved), target);
        row("one leaves", Figure::Time(left), target);
        row("one joins, by a reload", Figure::Time(reloaded), None);
        row("reload : change", Figure::Ratio(ratio(reloaded, joined)), None);
    }
    report.note(
        "a reload is haproxy -c, the reload through the master's socket, and the new worker's own word;",
    );
    report.note("a change is made through the stats socket, and read back");
    Ok(())
}

/// Measures a thousand servers that join at once.
pub fn many(bench: &Bench, report: &mut Report) -> Result<()> {
    for (count, shown, time) in CROWDS {
        let swap = RefCell::new(ChangingConfig::start(count, JOINS)?);
        let n = bench.rounds(15, 3);
        let mut join = || {
            swap.borrow_mut().join()?;
            let took = swap.borrow().change()?;
            swap.borrow_mut().leave()?;
            // A reload, because otherwise HAProxy would keep the servers that have left.
            swap.borrow().reload().map(|_| took)
        };
        let [joined] = in_turn(n, [&mut join])?;
        let what = format!("reload-haproxy, {shown} servers, 1,000 join");
        report.row(&what, Figure::Time(joined), time.map(Figure::Time), n);
    }
    Ok(())
}
