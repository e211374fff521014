//! One batch of removals, and the messages about it. They are printed when the batch is durable.

use common::messages::Messages;
use common::nodes_directory::NodesDir;
use common::records::NodesError;

use crate::args::Args;

/// The locked directory, and what has been done in it.
pub(crate) struct Removal {
    pub(crate) dir: NodesDir,
    done: Vec<String>,
}

impl Removal {
    /// Locks the nodes directory.
    pub(crate) fn begin(args: &Args) -> Result<Removal, NodesError> {
        let dir = NodesDir::lock(&args.input.nodes, args.input.lock_timeout)?;
        Ok(Removal { dir, done: Vec::new() })
    }

    /// Removes the record of the node called `name`, if there is one.
    pub(crate) fn remove(&mut self, name: &str, messages: &mut Messages) {
        match self.dir.remove(name) {
            Ok(true) => self.done.push(format!("removed {name}")),
            Ok(false) => {}
            Err(fault) => messages.fault(fault),
        }
    }

    /// Makes the removals durable and prints what was done.
    pub(crate) fn finish(self, messages: &mut Messages) {
        self.dir.finish().into_iter().for_each(|fault| messages.fault(fault));
        self.done.iter().for_each(|line| messages.info(line));
    }
}
