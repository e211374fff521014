//! A balancer with 1,000 servers: their records, and a real HAProxy on the configuration rendered from them.
//!
//! The servers do not exist. HAProxy keeps checking them during a measurement, as in production: about 1,000 checks a
//! second, each refused at once. That takes a few percent of one processor.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use harness::Result;
use harness::cluster::balancer::Balancer;
use harness::daemons::haproxy::Mode;
use harness::network::subnet::Subnet;
use harness::run::Run;
use harness::run::{poll, programs};

use crate::results::timed_run::TimedRun;
use crate::setups::node_records::NodeRecords;

const RECORDS: usize = 1_000;
const SETTLED: Duration = Duration::from_secs(20);

/// The three steps as a user types them, apart from the settings.
const LINE: &str = "member-join --role backend \
    && render-cfg --template \"$TEMPLATE\" --output \"$OUTPUT\" --set user= --set group= \
        --check \"$CHECK\" \
    && reload-haproxy --config \"$RUNNING\" --state-dir \"$STATE\"";

/// A balancer with a running HAProxy.
#[derive(Debug)]
pub struct BalancerOf1000 {
    /// The balancer; its agent is not started.
    pub balancer: Balancer,
    /// Its records.
    pub pool: NodeRecords,
    net: Subnet,
    // The last field, because dropping it ends all processes of the run.
    run: Arc<Run>,
}

impl BalancerOf1000 {
    /// Starts it.
    pub fn start() -> Result<BalancerOf1000> {
        let (run, net) = (Arc::new(Run::new()?), Subnet::claim()?);
        let mut balancer = Balancer::new(Arc::clone(&run), net.next_host())?;
        let pool = NodeRecords::fill(&balancer.nodes_dir(), RECORDS)?;
        balancer.start_haproxy(Mode::MasterSocket)?;
        let haproxy = balancer.haproxy()?;
        // Until HAProxy has marked all of them DOWN, it checks four times as often and logs each change.
        let is_settled = || Ok(haproxy.servers()?.iter().all(|server| !server.is_up()).then_some(()));
        poll::try_until(SETTLED, "HAProxy to be done with its servers", is_settled)?;
        Ok(BalancerOf1000 { balancer, pool, net, run })
    }

    /// The run that owns all of this.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// An unused address.
    pub fn address(&self) -> Ipv4Addr {
        self.net.next_host()
    }

    /// The three steps in one line of sh. render-cfg writes to `output` and runs this check; stdin is an event.
    pub fn line(&self, output: &Path, check: &str) -> Result<TimedRun> {
        let mut path = programs::bin_dir()?.into_os_string();
        let haproxy = programs::find("haproxy")?;
        for directory in [haproxy.parent().map(Path::as_os_str), std::env::var_os("PATH").as_deref()] {
            path.push(":");
            path.push(directory.unwrap_or_default());
        }
        let step = TimedRun::new("sh", ["-c", LINE]).env("PATH", path).env("SERF_EVENT", "member-update");
        let step = step.env("NODES_DIR", &self.pool.nodes).env("OUTPUT", output).env("CHECK", check);
        let step = step.env("ROLLCALL_CHECK_CFG", programs::shipped("scripts/check.cfg"));
        let step = step.env("TEMPLATE", programs::shipped("render-cfg/templates/haproxy.cfg.tera"));
        Ok(step.env("RUNNING", self.balancer.config()).env("STATE", self.state()))
    }

    fn state(&self) -> std::path::PathBuf {
        self.balancer.directory().join("state")
    }
}
