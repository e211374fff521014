//! The decision, row by row, in stories of looks at one balancer.

mod doubt;
mod downwards;
mod measuring;
mod upwards;

use super::*;
use crate::sizing::limits::Signal;
use crate::sizing::look::{Millis, Report, Server};

const SECOND: Millis = 1000;
const MINUTE: Millis = 60 * SECOND;

/// A series of looks at one balancer, 5 s apart.
struct Story {
    limits: Limits,
    memory: Memory,
    report: Report,
    now: Millis,
}

impl Story {
    /// Target 20, 2 to 20 servers, `servers` of them there, first seen at once and again after the first window.
    fn settled(servers: usize, sessions: u64) -> Story {
        let mut story = Story::begun(servers, sessions);
        story.pass(6 * MINUTE);
        story
    }

    fn begun(servers: usize, sessions: u64) -> Story {
        let report = Report { pid: 7, uptime: 100, sessions, servers: up(servers), ..Report::default() };
        let limits = Limits::new(2, 20, Some(20.0));
        let mut story = Story { limits, memory: Memory::default(), report, now: 1_000_000 };
        story.look();
        story
    }

    fn look(&mut self) -> Decision {
        self.look_at(vec![("a".to_owned(), Some(self.report.clone()))])
    }

    fn look_at(&mut self, balancers: Vec<(String, Option<Report>)>) -> Decision {
        self.now += 5 * SECOND;
        self.report.uptime += 5;
        let look = Look { now: self.now, balancers };
        let (decision, memory) = decide(&self.limits, Some(self.memory.clone()), &look, None).unwrap();
        self.memory = memory;
        decision
    }

    /// Looks for this time, while the engine does what the number says. Returns the last decision.
    fn pass(&mut self, time: Millis) -> Decision {
        let end = self.now + time;
        loop {
            let decision = self.look();
            if self.now >= end {
                return decision;
            }
            self.report.servers = up(decision.wanted.unwrap() as usize);
        }
    }

    fn wanted(&mut self, sessions: u64) -> u32 {
        self.report.sessions = sessions;
        self.look().wanted.unwrap()
    }
}

fn up(count: usize) -> Vec<Server> {
    (1..=count).map(|number| server(&format!("s{number}"), ServerState::Up, 0)).collect()
}

fn server(name: &str, state: ServerState, sessions: u64) -> Server {
    Server { name: name.to_owned(), state, sessions, maxconn: None }
}

fn reason(decision: &Decision) -> String {
    decision.reason.as_ref().unwrap().to_string()
}
