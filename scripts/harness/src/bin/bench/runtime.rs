//! reload-haproxy with changes of servers, which it makes while HAProxy runs, against the same by a reload.

use std::cell::RefCell;
use std::time::Duration;

use harness::Result;

use crate::Bench;
use crate::report::{Figure, Report};
use crate::sample::{in_turn, median, ratio};
use crate::swap::Swap;

/// Number of servers, as a row shows it, what a change may take, repetitions.
const SIZES: [(usize, &str, Duration, usize); 2] =
    [(1_000, "1,000", Duration::from_millis(5), 60), (10_000, "10,000", Duration::from_millis(40), 20)];
const JOINS: usize = 1_000;
const JOINS_TIME: Duration = Duration::from_millis(150);

/// One server that joins, moves, leaves, and nothing to do.
pub fn one(bench: &Bench, report: &mut Report) -> Result<()> {
    for (count, shown, time, full) in SIZES {
        let swap = RefCell::new(Swap::start(count, 1)?);
        let n = bench.rounds(full, 5);
        let mut reload = || {
            swap.borrow_mut().join()?;
            let took = swap.borrow().reload()?;
            swap.borrow_mut().leave()?;
            swap.borrow().change().map(|_| took)
        };
        let after = |exchange: fn(&mut Swap) -> Result<()>| {
            exchange(&mut swap.borrow_mut())?;
            swap.borrow().change()
        };
        let [reloaded, joined, moved, left, nothing] = in_turn(
            n,
            [
                &mut reload,
                &mut || after(Swap::join),
                &mut || after(Swap::relocate),
                &mut || after(Swap::leave),
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

/// A thousand servers that join at once.
pub fn many(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut swap = Swap::start(JOINS, JOINS)?;
    let n = bench.rounds(20, 3);
    let mut times = Vec::new();
    for round in 0..=n {
        swap.join()?;
        let took = swap.change()?;
        // The first one finds nothing in the caches.
        if round > 0 {
            times.push(took);
        }
        swap.leave()?;
        // HAProxy would keep those that left.
        swap.reload()?;
    }
    let figure = Figure::Time(median(times));
    report.row("reload-haproxy, 1,000 servers and 1,000 join", figure, Some(Figure::Time(JOINS_TIME)), n);
    Ok(())
}
