//! The parameters of every measure.

use harness::Result;
use harness::network::namespace;
use harness::run::Run;

/// The directory of a measure, and whether it repeats often or only a few times.
pub struct Bench {
    /// The run, with the directory.
    pub run: Run,
    /// Whether this is a quick run, with few repetitions.
    pub quick: bool,
}

impl Bench {
    /// `full` repetitions, or `quick` ones in a quick run.
    pub fn rounds(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Runs an action that opens thousands of connections a second, if possible on a private network. On the
    /// machine's own network they could fill its connection table (a packet filter or Docker may keep one), and then
    /// the kernel drops packets, those of other programs too.
    pub fn off_the_network<T: Send>(&self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        if self.quick || !nix::unistd::geteuid().is_root() {
            action()
        } else {
            namespace::on_loopback_alone(action)
        }
    }
}
