//! What the commands from other shells do to a running demo.
//!
//! A backend that is being stopped is first removed from the list, so that `status` can answer during the seconds that
//! the stop takes.

use std::time::Duration;

use harness::cluster::local_cluster::Cluster;
use harness::run::Run;
use harness::traffic::varied_load::VariedLoad;
use harness::{Error, Result};

use crate::backends::{Backends, check_name};
use crate::control::Request;
use crate::scaling::Scaled;
use crate::status;

// A systemd timer runs it in production (docs/installation.md, step 7).
const RECONCILE: Duration = Duration::from_secs(10);

/// A running demo.
#[derive(Debug)]
pub struct Desk {
    /// The load. It comes first because fields are dropped in order, and the load must end before the balancer.
    pub load: VariedLoad,
    /// The balancer and the backends.
    pub scaled: Scaled,
    is_load_fixed: bool,
}

impl Desk {
    /// Starts a balancer and `count` backends, which take `delay` for an answer. With `is_load_fixed`, the command
    /// `load` is refused.
    pub fn start(run: Run, count: usize, delay: Duration, is_load_fixed: bool) -> Result<Desk> {
        let mut cluster = Cluster::on(run)?;
        cluster.start_balancer()?;
        cluster.balancer.reconcile_every(RECONCILE);
        let load = VariedLoad::start(cluster.front(), "/");
        let scaled = Scaled::new(Backends::new(cluster, delay));
        scaled.scale_to(count, &mut drop)?;
        Ok(Desk { load, scaled, is_load_fixed })
    }

    /// Carries out a request.
    pub fn obey(&self, words: &[&str], request: &mut Request) -> Result<()> {
        match words {
            ["add"] => self.add(None, request),
            ["add", name] => self.add(Some(check_name(name).map_err(Error::Unfit)?), request),
            ["stop", name] => self.stop(name, request),
            ["kill", name] => {
                self.scaled.list().kill(name)?;
                request.say(format!(
                    "{name} is killed; HAProxy's checks notice within 3 s, Serf marks it failed after 6 to 25 s"
                ));
                Ok(())
            }
            ["drain", name] => {
                self.scaled.list().drain(name)?;
                request.say(format!("{name} is tagged state=drain; in about 1 s it gets no new sessions"));
                Ok(())
            }
            ["scale-to", count] => self.scaled.scale_to(number(count)?, &mut |line| request.say(line)),
            ["load", rate] => self.set_load(number(rate)?, request),
            ["status"] => {
                let lines = status::lines(&mut self.scaled.list().cluster, &self.load)?;
                lines.iter().for_each(|line| request.say(line));
                Ok(())
            }
            _ => Err(Error::Unfit("unknown command".to_owned())),
        }
    }

    fn add(&self, name: Option<String>, request: &mut Request) -> Result<()> {
        let start = self.scaled.list().reserve(name)?;
        self.scaled.start(&start)?;
        request.say(format!("{} is started at {}; it is served in about 1 s", start.name, start.address));
        Ok(())
    }

    fn stop(&self, name: &str, request: &mut Request) -> Result<()> {
        let backend = self.scaled.take(name)?;
        request.say(format!("{name} leaves the cluster, then drains for 3 s"));
        self.scaled.stop(backend)?;
        request.say(format!("{name} has ended"));
        Ok(())
    }

    fn set_load(&self, rate: usize, request: &mut Request) -> Result<()> {
        if self.is_load_fixed {
            return Err(Error::Unfit("cannot change the load: 'demo scale' has a plan for it".to_owned()));
        }
        if self.load.rate() == 0.0 {
            self.load.forget();
        }
        self.load.set_rate(rate as f64);
        request.say(status::load(&self.load));
        Ok(())
    }
}

fn number(word: &str) -> Result<usize> {
    word.parse().map_err(|_| Error::Unfit(format!("'{word}' is not a number")))
}
