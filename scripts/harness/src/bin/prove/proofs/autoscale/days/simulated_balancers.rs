//! One to three balancers that report the traffic: now and then one is silent, or has a new worker, which counts from 0
//! while the old one keeps half of the sessions.

use autoscale::sizing::look::{Millis, Report, Server};

use crate::judging::random::Dice;
use crate::proofs::autoscale::days::chance::{is_one_in, whole};
use crate::proofs::autoscale::days::simulated_traffic::SimulatedTraffic;

#[derive(Debug)]
struct Balancer {
    pid: i32,
    started: Millis,
    silent_until: Millis,
    /// Until then an old worker has half of its sessions.
    halved_until: Millis,
    requests_before: u64,
    errors: u64,
}

/// The balancers.
#[derive(Debug)]
pub struct SimulatedBalancers {
    balancers: Vec<Balancer>,
    /// In this many looks one falls silent, or is restarted, once; and errors rise.
    pub trouble: f64,
}

impl SimulatedBalancers {
    /// This many, started long ago.
    pub fn new(count: usize, trouble: f64) -> SimulatedBalancers {
        let balancer = |index| Balancer {
            pid: 100 * (index as i32 + 1),
            started: 0,
            silent_until: 0,
            halved_until: 0,
            requests_before: 0,
            errors: 0,
        };
        SimulatedBalancers { balancers: (0..count).map(balancer).collect(), trouble }
    }

    /// What they report now.
    pub fn report(
        &mut self,
        dice: &mut Dice,
        now: Millis,
        traffic: &SimulatedTraffic,
        servers: &[Server],
    ) -> Vec<(String, Option<Report>)> {
        let count = self.balancers.len() as u64;
        let trouble = self.trouble;
        let each = self.balancers.iter_mut().enumerate();
        each.map(|(index, balancer)| {
            let share = |number: u64| number / count + u64::from((index as u64) < number % count);
            balancer.suffer(dice, now, trouble, share(traffic.requests));
            let is_halved = now < balancer.halved_until;
            let seen = |number: u64| if is_halved { number / 2 } else { number };
            let report = Report {
                pid: balancer.pid,
                uptime: (now - balancer.started) / 1_000,
                sessions: seen(share(traffic.sessions)),
                queued: seen(share(traffic.queued)),
                requests: share(traffic.requests).saturating_sub(balancer.requests_before),
                errors: balancer.errors,
                servers: servers.to_vec(),
                ..Report::default()
            };
            (format!("/run/{index}.sock"), (now >= balancer.silent_until).then_some(report))
        })
        .collect()
    }
}

impl Balancer {
    fn suffer(&mut self, dice: &mut Dice, now: Millis, trouble: f64, requests: u64) {
        if is_one_in(dice, trouble) {
            self.silent_until = now + whole(dice, 5_000, 400_000);
        }
        if is_one_in(dice, trouble) {
            self.pid += 1;
            (self.started, self.halved_until) = (now, now + whole(dice, 0, 60_000));
            (self.requests_before, self.errors) = (requests, 0);
        }
        if is_one_in(dice, trouble) {
            self.errors += whole(dice, 1, 50);
        }
    }
}
