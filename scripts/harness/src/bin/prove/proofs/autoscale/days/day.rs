//! One day: 24 hours of looks, 5 s apart, judged one by one.

use std::collections::VecDeque;

use autoscale::sizing::limits::Signal;
use autoscale::sizing::look::{Look, Millis};
use autoscale::sizing::memory::Memory;
use autoscale::sizing::{Decision, decide};

use crate::judging::random::Dice;
use crate::proofs::autoscale::days::bill::Bill;
use crate::proofs::autoscale::days::chance::{is_one_in, whole};
use crate::proofs::autoscale::days::load_curve;
use crate::proofs::autoscale::days::observed::Observer;
use crate::proofs::autoscale::days::rules::Rules;
use crate::proofs::autoscale::days::settings::DaySettings;
use crate::proofs::autoscale::days::simulated_balancers::SimulatedBalancers;
use crate::proofs::autoscale::days::simulated_engine::SimulatedEngine;
use crate::proofs::autoscale::days::simulated_traffic::SimulatedTraffic;

/// The time between two looks.
const STEP: Millis = 5_000;
/// How many looks a story has.
const STORY: usize = 12;
/// In this many looks the state file is lost, the machine starts again, or the timer rests, once.
const RARE: f64 = 8_000.0;

/// A day, and its result.
pub struct Day {
    /// Its settings.
    pub settings: DaySettings,
    dice: Dice,
    memory: Memory,
    engine: SimulatedEngine,
    traffic: SimulatedTraffic,
    balancers: SimulatedBalancers,
    observer: Observer,
    /// The rules, and what they counted.
    pub rules: Rules,
    /// What it cost.
    pub bill: Bill,
    story: VecDeque<(Millis, Look, Decision)>,
    /// The clock of the machine is this far from the time of the day.
    boot: Millis,
    rests_until: Millis,
    /// Looks.
    pub looks: u64,
    /// Looks with requests in the queue.
    pub queued: u64,
}

impl Day {
    /// A day from this seed.
    pub fn new(seed: u64, most: u64) -> Day {
        let mut dice = Dice::new(seed);
        let settings = DaySettings::draw(&mut dice, most);
        // There may be more or fewer than the bounds at first.
        let running = whole(&mut dice, 1, u64::from(settings.limits.max) + 2) as u32;
        Day {
            memory: Memory::default(),
            engine: SimulatedEngine::new(settings.habits.clone(), running),
            traffic: SimulatedTraffic { length: settings.length, ..SimulatedTraffic::default() },
            balancers: SimulatedBalancers::new(settings.balancers, settings.trouble),
            observer: Observer::default(),
            rules: Rules::default(),
            bill: Bill::new(&settings.limits, STEP, running),
            story: VecDeque::new(),
            boot: 0,
            rests_until: 0,
            looks: 0,
            queued: 0,
            settings,
            dice,
        }
    }

    /// Simulates the day; returns the first fault with the looks before it.
    pub fn live(&mut self, hours: u64) -> Result<(), String> {
        let looks = hours * 3_600_000 / STEP;
        let step = STEP as f64 / 1_000.0;
        let settings = &self.settings;
        let loads = load_curve::draw(settings.shape, &mut self.dice, looks as usize, step, settings.top);
        let start = 1_000_000;
        self.rules.begin(start, false);
        for (index, load) in loads.into_iter().enumerate() {
            let time = start + index as Millis * STEP;
            self.pass(time, load);
            self.befall(time);
            if time >= self.rests_until {
                self.look(time).map_err(|rule| self.tell(&rule))?;
            }
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        self.engine.serving() * self.settings.maxconn
    }

    fn pass(&mut self, time: Millis, load: f64) {
        let (room, requests) = (self.room(), self.traffic.requests);
        let mean = load * self.settings.sessions_each();
        let step = STEP as f64 / 1_000.0;
        self.traffic.pass(&mut self.dice, step, mean, room);
        self.engine.pass(&mut self.dice, time);
        self.traffic.place(self.room());
        let demand = match self.settings.limits.signal {
            Signal::Sessions => self.traffic.sessions as f64,
            Signal::Rate => (self.traffic.requests - requests) as f64 / step,
        };
        self.bill.add(self.engine.paid(), load, demand / self.settings.target);
    }

    /// What rarely happens to the machine that looks.
    fn befall(&mut self, time: Millis) {
        if self.settings.is_calm || !is_one_in(&mut self.dice, RARE) {
            return;
        }
        match whole(&mut self.dice, 0, 2) {
            0 => {
                self.memory = Memory::default();
                self.forget(time, false);
            }
            1 => {
                self.boot = whole(&mut self.dice, 0, time);
                self.memory = std::mem::take(&mut self.memory).begin_again(time - self.boot);
                self.forget(time, true);
            }
            _ => self.rests_until = time + whole(&mut self.dice, 5_000, 1_000_000),
        }
    }

    fn forget(&mut self, time: Millis, keeps: bool) {
        self.observer.forget();
        // A lost one begins at the next look.
        self.rules.begin(if keeps { time } else { time.max(self.rests_until) }, keeps);
    }

    fn look(&mut self, time: Millis) -> Result<(), String> {
        let limits = &self.settings.limits;
        let servers = self.engine.seen(time, Some(self.settings.maxconn / self.settings.balancers as u64));
        let balancers = self.balancers.report(&mut self.dice, time, &self.traffic, &servers);
        let look = Look { now: time - self.boot, balancers };
        let count = self.settings.is_counted.then(|| self.engine.running());
        let memory = std::mem::take(&mut self.memory);
        if look.now.saturating_sub(memory.last) > limits.longest_gap() && memory.last > 0 {
            self.observer.forget();
        }
        let (decision, memory) =
            decide(limits, Some(memory), &look, count).map_err(|_| "no target".to_owned())?;
        self.memory = memory;
        let seen = self.observer.observe(limits, &look, self.settings.target);
        let judged = self.rules.judge(limits, time, &seen, &decision);
        if let Some(wanted) = decision.wanted {
            self.engine.tell(time, wanted);
        }
        self.looks += 1;
        self.queued += u64::from(self.traffic.queued > 0);
        self.story.truncate(STORY - 1);
        self.story.push_front((time, look, decision));
        judged
    }

    /// The rule that is broken, and the last looks.
    fn tell(&self, rule: &str) -> String {
        let look = |(time, look, decision): &(Millis, Look, Decision)| {
            let answers: Vec<String> = look
                .balancers
                .iter()
                .map(|(_, report)| match report {
                    None => "silent".to_owned(),
                    Some(report) => format!("pid {} {}+{}q", report.pid, report.sessions, report.queued),
                })
                .collect();
            let Decision { wanted, count, serving, starting, failed, draining, reason, .. } = decision;
            let reason = reason.as_ref().map(ToString::to_string).unwrap_or_default();
            let (sessions, target) = (decision.traffic.sessions, decision.target.unwrap_or_default());
            format!(
                "\n        {:>6} s [{}] {serving} up {starting} starting {failed} failed {draining} draining, count \
                 {count:?}, {sessions} sessions, target {target:.1}: {wanted:?} {reason}",
                time / 1_000,
                answers.join(", ")
            )
        };
        let looks: String = self.story.iter().rev().map(look).collect();
        format!("{rule} ({}){looks}", self.settings)
    }
}
