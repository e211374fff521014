//! Memories that no run has written: times in the future, huge numbers, half of a file. With each of them the program still
//! decides, and the number is within the bounds.

use std::panic::{self, AssertUnwindSafe};

use autoscale::sizing::decide;
use autoscale::sizing::limits::{Limits, Signal};
use autoscale::sizing::look::{Look, Report, Server, ServerState};
use autoscale::sizing::memory::Memory;
use serde_json::Value;

use crate::judging::random::Dice;
use crate::judging::verdict::Verdict;
use crate::proof::Proof;

const MEMORIES: usize = 2_000_000;
const SHORT_MEMORIES: usize = 20_000;

/// A memory as a run writes it.
const WRITTEN: &str = r#"{"since":1000000,"last":1900000,"wanted":6,"count":5,"lowered":1800000,
  "wishes":[[1700000,7],[1800000,6],[1900000,5]],"counts":[[1895000,5],[1900000,6]],"queued":true,"errors_rose":1890000,
  "target":20.0,"balancers":{"/a":{"pid":7,"uptime":900,"sessions":60,"errors":3,"requests":9000,"counted":1900000,
  "rate":12.5},"/b":{"pid":8,"uptime":900,"sessions":60,"errors":0,"requests":9000,"counted":1900000,"rate":null}}}"#;

/// Numbers at and beyond all limits.
const ODD: [&str; 14] = [
    "0",
    "1",
    "5",
    "-1",
    "0.5",
    "1905000",
    "1905001",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "1e300",
    "-1e300",
    "null",
];

/// Decides with all of them.
pub fn run(proof: &mut Proof, verdict: &mut Verdict) -> harness::Result<()> {
    let memories = proof.rounds(MEMORIES, SHORT_MEMORIES);
    let mut read = 0;
    for _ in 0..memories {
        let text = spoiled(&mut proof.dice);
        let Ok(memory) = serde_json::from_value::<Memory>(text.clone()) else { continue };
        read += 1;
        let (limits, look) = (limits(&mut proof.dice), look(&mut proof.dice));
        if let Err(fault) = judge(&limits, memory, &look) {
            verdict.wrong(&format!("{fault}: {text}; {limits:?}; {look:?}"));
        }
    }
    verdict.note(&format!(
        "{memories} spoiled memories, {read} of them can be read: the number is within the bounds"
    ));
    verdict.check(read * 10 > memories, "hardly any spoiled memory can be read");
    Ok(())
}

fn judge(limits: &Limits, mut memory: Memory, look: &Look) -> Result<(), String> {
    let known = memory.wanted;
    // The memory that results must work for the next looks, too.
    for step in 0..3 {
        let look = Look { now: look.now.saturating_add(step * 5_000), ..look.clone() };
        let decided =
            panic::catch_unwind(AssertUnwindSafe(|| decide(limits, Some(memory.clone()), &look, None)));
        let Ok(decided) = decided else { return Err("it panics".to_owned()) };
        let Ok((decision, next)) = decided else { return Err("it has no target".to_owned()) };
        let is_within = decision.wanted.is_none_or(|wanted| (limits.min..=limits.max).contains(&wanted));
        if !is_within {
            return Err(format!("{:?} is not within the bounds", decision.wanted));
        }
        let is_silent = decision.traffic.doubt.is_some();
        let lowest = known.unwrap_or(0).min(limits.max);
        if step == 0 && is_silent && decision.wanted.is_some_and(|wanted| wanted < lowest) {
            return Err(format!("down to {:?} in doubt", decision.wanted));
        }
        memory = next;
    }
    Ok(())
}

/// The written memory, with some of its values replaced.
fn spoiled(dice: &mut Dice) -> Value {
    let mut value = serde_json::from_str(WRITTEN).unwrap_or_default();
    for _ in 0..=dice.below(3) {
        spoil(&mut value, dice);
    }
    value
}

fn spoil(value: &mut Value, dice: &mut Dice) {
    match value {
        Value::Array(entries) if !entries.is_empty() && dice.below(8) > 0 => {
            let index = dice.below(entries.len());
            spoil(&mut entries[index], dice);
        }
        Value::Object(entries) if !entries.is_empty() => {
            let index = dice.below(entries.len());
            entries.values_mut().skip(index).take(1).for_each(|entry| spoil(entry, dice));
        }
        _ => *value = serde_json::from_str(dice.one_of::<&str>(&ODD)).unwrap_or_default(),
    }
}

fn limits(dice: &mut Dice) -> Limits {
    let min = 1 + dice.below(5) as u32;
    let mut limits = Limits::new(min, min + dice.below(20) as u32, Some([0.001, 20.0, 1e9][dice.below(3)]));
    if dice.below(2) == 0 {
        limits.signal = Signal::Rate;
    }
    let periods = [0, 1, 15_000, 300_000, 86_400_000];
    limits.up_period = *dice.one_of(&periods);
    limits.down_period = *dice.one_of(&periods);
    limits.down_window = *dice.one_of(&periods);
    limits
}

fn look(dice: &mut Dice) -> Look {
    let number = |dice: &mut Dice| *dice.one_of(&[0, 3, 60, 100_000, u64::MAX]);
    let server = |number: usize| Server {
        name: format!("s{number}"),
        state: [ServerState::Up, ServerState::Starting, ServerState::Failed, ServerState::Draining]
            [number % 4],
        sessions: number as u64 / 4,
        maxconn: None,
    };
    let mut report = || {
        (dice.below(4) > 0).then(|| Report {
            pid: 7,
            uptime: 905,
            sessions: number(dice),
            queued: number(dice),
            requests: number(dice),
            errors: number(dice),
            servers: (0..dice.below(12)).map(server).collect(),
            unnamed: number(dice) as u32,
            ..Report::default()
        })
    };
    let balancers = vec![("/a".to_owned(), report()), ("/b".to_owned(), report())];
    Look { now: *dice.one_of(&[0, 1_000, 1_905_000, 2_500_000, u64::MAX - 20_000]), balancers }
}
