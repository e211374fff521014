//! What every measure is given.

use harness::Result;
use harness::network::namespace;
use harness::run::Run;

/// What a measure is given: a directory for what it writes, and how often it may repeat itself.
pub struct Bench {
    /// The run.
    pub run: Run,
    /// Few repetitions.
    pub quick: bool,
}

impl Bench {
    /// How often something is repeated, of which a quick run does `quick`.
    pub fn rounds(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Does what opens thousands of connections a second on a network of its own, where that may be. On the machine's
    /// they fill its table of connections, if something has it keep one (a packet filter, Docker), and then it drops
    /// packets, other people's too.
    pub fn off_the_network<T: Send>(&self, deed: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        if self.quick || !nix::unistd::geteuid().is_root() {
            deed()
        } else {
            namespace::on_loopback_alone(deed)
        }
    }
}
