//! What every measure is given.

use harness::Result;
use harness::network::namespace;
use harness::run::Run;

/// A measure's directory, and how often it may repeat.
pub struct Bench {
    /// The run.
    pub run: Run,
    /// Few repetitions.
    pub quick: bool,
}

impl Bench {
    /// `full` repetitions, or `quick` ones in a quick run.
    pub fn rounds(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Runs an action that opens thousands of connections a second on a private network, if possible. On the machine's
    /// they fill its table of connections, if something has it keep one (a packet filter, Docker), and then it drops
    /// packets, other people's too.
    pub fn off_the_network<T: Send>(&self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        if self.quick || !nix::unistd::geteuid().is_root() {
            action()
        } else {
            namespace::on_loopback_alone(action)
        }
    }
}
