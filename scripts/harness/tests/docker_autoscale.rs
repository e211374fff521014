//! The number of web apps follows the traffic, on real containers: by autoscale-run on the host, and by the profile
//! `autoscale`.
//!
//! Each visitor sends his next request as soon as the last is answered, and each web app takes 300 ms. So the sessions
//! are as many as the visitors, and the formula gives one number: visitors / target.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::process::Command;
use std::time::{Duration, Instant};

use harness::daemons::docker::{ComposeCluster, Container, UP, docker};
use harness::run::daemon::Daemon;
use harness::run::guardian::Run;
use harness::run::{poll, programs};
use harness::traffic::http::Client;
use harness::traffic::load::{Load, Rate};

const SOON: Duration = Duration::from_secs(30);
/// Few visitors, who need one server, and eight times as many, who need four.
const FEW: usize = 2;
const MANY: usize = 8 * FEW;
/// The windows are shorter than the default, and the look is the default of the manual.
const SETTINGS: &str = "--target 4 --min 1 --max 9 --down-window 10s --down-period 1s -v";

fn visitors(cluster: &ComposeCluster, visitors: usize) -> Load {
    Load::patient(cluster.front(), "/", Rate { visitors, every: Duration::ZERO }, SOON)
}

/// The web apps that this test has slowed down.
#[derive(Default)]
struct Slowed(Vec<Container>);

impl Slowed {
    /// Slows down those that are new and listen; returns how many containers of web apps run.
    fn look(&mut self, cluster: &ComposeCluster) -> usize {
        let backends = cluster.backends().unwrap();
        for backend in &backends {
            if !self.0.contains(backend) && slow_down(backend).is_some() {
                self.0.push(backend.clone());
            }
        }
        backends.len()
    }

    /// Looks until this many run; at each look the number is between both.
    fn wait_for(&mut self, cluster: &ComposeCluster, from: usize, to: usize) {
        let (low, high) = (from.min(to), from.max(to));
        let reached = || {
            let count = self.look(cluster);
            assert!((low..=high).contains(&count), "{count} web apps, not {low} to {high}");
            (count == to).then_some(())
        };
        poll::until(3 * SOON, &format!("{to} web apps"), reached).unwrap();
    }
}

fn slow_down(backend: &Container) -> Option<()> {
    let address = (backend.address().ok()??, 3000).into();
    let headers = [("Content-Type", "application/json")];
    let body = b"{\"delay\": 300}";
    Client::fresh(address).send("POST", "/delay", &headers, body).ok()?.success().ok().map(drop)
}
