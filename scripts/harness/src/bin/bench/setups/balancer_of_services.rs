//! A balancer with several services, all of whose servers are one responder, and a change of one of its nodes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::balancer::Balancer;
use harness::daemons::haproxy::Mode;
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::programs;
use harness::traffic::http::Client;
use harness::{Error, Result};

use crate::results::timed_run::{TimedRun, system};
use crate::setups::node_records::NodeRecords;
use crate::setups::rare_checks_template;
use crate::setups::reloading::reloading;
use crate::setups::responder::Responder;

/// A running balancer.
#[derive(Debug)]
pub struct BalancerOfServices {
    balancer: Balancer,
    /// Its records.
    pub pool: NodeRecords,
    client: Client,
    _responder: Responder,
    // The last field, because dropping it ends all processes of the run.
    run: Arc<Run>,
}

impl BalancerOfServices {
    /// Starts one with `services` services of `servers` servers each. One service is that of a template without the
    /// setting.
    pub fn start(services: usize, servers: usize) -> Result<BalancerOfServices> {
        let (run, net) = (Arc::new(Run::new()?), Subnet::claim()?);
        let responder = Responder::start(&run, "responder")?;
        let mut balancer = Balancer::new(Arc::clone(&run), net.next_host())?;
        balancer.set_env("ROLLCALL_TEMPLATE", rare_checks_template::template(&run)?);
        let port = responder.port;
        let tags = move |number: usize| {
            vec![("port", port.to_string()), ("service", format!("s{}", number / servers))]
        };
        let pool = NodeRecords::fill_with(&balancer.nodes_dir(), services * servers, &tags)?;
        if services > 1 {
            balancer.set_env("ROLLCALL_VARS", settings(&run, "json", services)?);
        }
        balancer.start_haproxy(Mode::MasterSocket)?;
        let client = Client::keep_alive(balancer.front());
        let started = BalancerOfServices { balancer, pool, client, _responder: responder, run };
        // reload-haproxy notes what runs. Without that note it could not make a change without a reload.
        started.reload_haproxy("auto")?;
        Ok(started)
    }

    /// Reads the same services from YAML, instead of JSON, from now on.
    pub fn use_yaml(&mut self, services: usize) -> Result<()> {
        let path = settings(&self.run, "yaml", services)?;
        self.balancer.set_env("ROLLCALL_VARS", path);
        Ok(())
    }

    /// How long render-cfg takes, without a check.
    pub fn render(&self) -> Result<Duration> {
        let mut command = self.balancer.render_command()?;
        let start = Instant::now();
        let status = command.status();
        let took = start.elapsed();
        if status.is_ok_and(|status| status.success()) { Ok(took) } else { Err(unfit("render-cfg failed")) }
    }

    /// How long `haproxy -c` takes.
    pub fn check(&self) -> Result<Duration> {
        let arguments: [OsString; 3] = ["-c".into(), "-f".into(), self.balancer.config().into()];
        TimedRun::new(programs::find("haproxy")?, arguments).time(None)
    }

    /// How long reload-haproxy takes for what was rendered last, without a reload.
    pub fn apply(&self) -> Result<Duration> {
        let worker = self.balancer.haproxy()?.worker_pid()?;
        let took = self.reload_haproxy("runtime")?;
        if self.balancer.haproxy()?.worker_pid()? == worker {
            Ok(took)
        } else {
            Err(unfit("it was reloaded"))
        }
    }

    fn reload_haproxy(&self, method: &str) -> Result<Duration> {
        reloading(&self.balancer, &self.run, method)?.time(None)
    }

    /// How long `requests` requests take, one after the other, to these many of the services in turn.
    pub fn requests(&mut self, requests: usize, services: usize) -> Result<Duration> {
        let start = Instant::now();
        for number in 0..requests {
            let answer = self.client.get(&format!("/s{}/", number % services));
            if !answer.is_ok_and(|answer| answer.status == 200) {
                return Err(unfit("a request was not answered by 200"));
            }
        }
        Ok(start.elapsed())
    }
}

/// A file of settings, JSON or YAML, with services that are told apart by the path. JSON is YAML in one line.
fn settings(run: &Run, ending: &str, services: usize) -> Result<PathBuf> {
    let path = run.join(&format!("vars.{ending}"));
    let services: Vec<String> =
        (0..services).map(|number| format!("\"s{number}\": {{\"paths\": \"/s{number}\"}}")).collect();
    let text = format!("{{\"services\": {{{}}}}}\n", services.join(",\n"));
    replace(&path, text.as_bytes(), 0o600).map_err(system("write", &path))?;
    Ok(path)
}

fn unfit(reason: &str) -> Error {
    Error::Unfit(reason.to_owned())
}
