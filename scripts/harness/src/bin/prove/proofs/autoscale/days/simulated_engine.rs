//! A simulated engine, which starts and stops servers as it is told. As with real engines, starts are slow, servers crash or
//! are lost, and it may have a limit of its own.

use autoscale::sizing::look::{Millis, Server, ServerState};

use crate::judging::random::Dice;
use crate::proofs::autoscale::days::chance::{is_one_in, whole};

/// The properties of an engine.
#[derive(Clone, Debug)]
pub struct EngineHabits {
    /// How long a server starts, from and to.
    pub start: (Millis, Millis),
    /// How long the scale command takes.
    pub command: Millis,
    /// How long a server drains.
    pub drain: Millis,
    /// In this many looks a server crashes once.
    pub crash: f64,
    /// It never runs more than this many.
    pub quota: usize,
}

/// What a server does, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// It joins HAProxy at the first moment, and passes its checks at the second.
    Starts(Millis, Millis),
    Serves,
    /// It is up again at that moment.
    Crashed(Millis),
    /// It is gone at that moment.
    Lost(Millis),
    Drains(Millis),
}

/// The engine.
pub struct SimulatedEngine {
    habits: EngineHabits,
    servers: Vec<(String, Life)>,
    /// What it was last told, and when that takes effect.
    told: Option<(Millis, u32)>,
    started: u32,
    /// Servers that crashed so far.
    pub crashes: u32,
}

impl SimulatedEngine {
    /// An engine that runs this many servers.
    pub fn new(habits: EngineHabits, running: u32) -> SimulatedEngine {
        let mut engine = SimulatedEngine { habits, servers: Vec::new(), told: None, started: 0, crashes: 0 };
        (0..running).for_each(|_| engine.add(Life::Serves));
        engine
    }

    fn add(&mut self, life: Life) {
        self.started += 1;
        self.servers.push((format!("s{}", self.started), life));
    }

    /// Tells it how many servers there should be.
    pub fn tell(&mut self, now: Millis, wanted: u32) {
        if self.told.is_none() && self.running() != wanted {
            self.told = Some((now + self.habits.command, wanted));
        }
    }

    /// How many it runs, without those that drain.
    pub fn running(&self) -> u32 {
        self.servers.iter().filter(|(_, life)| !matches!(life, Life::Drains(_))).count() as u32
    }

    /// How many serve.
    pub fn serving(&self) -> u64 {
        self.servers.iter().filter(|(_, life)| *life == Life::Serves).count() as u64
    }

    /// How many it runs and must be paid for.
    pub fn paid(&self) -> u32 {
        self.servers.len() as u32
    }

    /// Passes the time until now.
    pub fn pass(&mut self, dice: &mut Dice, now: Millis) {
        self.servers.retain(|(_, life)| !matches!(life, Life::Drains(end) | Life::Lost(end) if *end <= now));
        for (_, life) in &mut self.servers {
            match life {
                Life::Starts(_, up) | Life::Crashed(up) if *up <= now => *life = Life::Serves,
                Life::Serves if is_one_in(dice, self.habits.crash) => {
                    self.crashes += 1;
                    let end = now + whole(dice, 5_000, 180_000);
                    *life = if is_one_in(dice, 3.0) { Life::Lost(end) } else { Life::Crashed(end) };
                }
                _ => {}
            }
        }
        if let Some((_, wanted)) = self.told.take_if(|(at, _)| *at <= now) {
            self.scale(dice, now, wanted);
        }
    }

    fn scale(&mut self, dice: &mut Dice, now: Millis, wanted: u32) {
        let wanted = (wanted as usize).min(self.habits.quota);
        for _ in self.running() as usize..wanted {
            let joined = now + whole(dice, 500, 3_000);
            let (low, high) = self.habits.start;
            let slow = if is_one_in(dice, 20.0) { 5 } else { 1 };
            self.add(Life::Starts(joined, joined + slow * whole(dice, low, high)));
        }
        let drained = Life::Drains(now + self.habits.drain);
        for _ in wanted..self.running() as usize {
            // The newest goes first, as with compose.
            let last = self.servers.iter_mut().rev().find(|(_, life)| !matches!(life, Life::Drains(_)));
            last.into_iter().for_each(|(_, life)| *life = drained);
        }
    }

    /// The servers as HAProxy has them.
    pub fn seen(&self, now: Millis, maxconn: Option<u64>) -> Vec<Server> {
        let state = |life: &Life| match life {
            Life::Starts(joined, _) if *joined > now => None,
            Life::Starts(..) => Some(ServerState::Starting),
            Life::Serves => Some(ServerState::Up),
            Life::Crashed(_) | Life::Lost(_) => Some(ServerState::Failed),
            Life::Drains(_) => Some(ServerState::Draining),
        };
        let server = |(name, life): &(String, Life)| {
            let state = state(life)?;
            let sessions = u64::from(state == ServerState::Draining);
            Some(Server { name: name.clone(), state, sessions, maxconn })
        };
        self.servers.iter().filter_map(server).collect()
    }
}
