//! A map of 100,000 entries: one changed, all changed, none changed.

use std::time::Duration;

use harness::{Error, Result};

use crate::bench::Bench;
use crate::results::report::{Figure, Report};
use crate::results::sampling::{in_turn, ratio};
use crate::setups::balancer_of_files::{BalancerOfFiles, Round};

const ENTRIES: usize = 100_000;
const FILE: &str = "hosts.map";

/// The map. One entry in its middle has its own value.
fn map(all: usize, one: usize) -> String {
    let value = |n| if n == ENTRIES / 2 { one } else { all };
    (0..ENTRIES).map(|n| format!("/customers/{n:06}/start backend-{}\n", value(n))).collect()
}

/// Measures it.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let balancer = BalancerOfFiles::with_map(&map(0, 0))?;
    let (round, generation) = (Round::default(), Round::default());
    let n = bench.rounds(20, 3);
    let one = |how: fn(&BalancerOfFiles) -> Result<Duration>| {
        balancer.put(FILE, &map(generation.now(), round.next()))?;
        how(&balancer)
    };
    let mut all = || {
        balancer.put(FILE, &map(generation.next(), round.next()))?;
        balancer.change()
    };
    let [reloaded, changed, answered, all] = in_turn(
        n,
        [
            &mut || one(BalancerOfFiles::reload),
            &mut || one(BalancerOfFiles::change),
            &mut || haproxys_part(&balancer),
            &mut all,
        ],
    )?;
    balancer.settle()?;
    let [nothing] = in_turn(n, [&mut || balancer.change()])?;
    let mut row =
        |what: &str, figure| report.row(&format!("files, map of 100,000 entries, {what}"), figure, None, n);
    row("nothing changed", Figure::Time(nothing));
    row("one changed", Figure::Time(changed));
    row("one changed, HAProxy's part of it", Figure::Time(answered));
    row("all changed", Figure::Time(all));
    row("one changed, by a reload", Figure::Time(reloaded));
    row("reload : change", Figure::Ratio(ratio(reloaded, changed)));
    report.note("HAProxy's part: it shows all entries, takes one command, and shows all entries");
    Ok(())
}

/// The questions of a run that changes one entry, and a command that changes nothing.
fn haproxys_part(balancer: &BalancerOfFiles) -> Result<Duration> {
    let path = balancer.path(FILE).display().to_string();
    let show = format!("show info;show map;show map {path}");
    let answer = balancer.answer(&format!("show map {path}"))?;
    let row = answer.lines().nth(ENTRIES / 2).and_then(|row| row.split_once(' '));
    let (id, entry) = row.ok_or_else(|| Error::Unfit("the map has too few entries".to_owned()))?;
    let (_, value) = entry.split_once(' ').unwrap_or_default();
    balancer.answers(&[show.clone(), format!("set map {path} #{id} {value}"), show])
}
