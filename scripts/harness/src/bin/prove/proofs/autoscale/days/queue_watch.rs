//! The queue: once all the servers serve that the load needs, it is empty within three looks.

use autoscale::sizing::limits::Limits;

use crate::proofs::autoscale::days::observed::Observation;

/// How many looks a queue may last once the servers are there.
const LOOKS: u32 = 3;

/// A queue that is watched.
#[derive(Debug, Default)]
pub struct QueueWatch {
    /// How many servers all that was seen needs.
    needed: u32,
    /// For how many looks they have served.
    served: u32,
}

impl QueueWatch {
    /// Judges a look.
    pub fn look(
        &mut self,
        limits: &Limits,
        seen: &Observation,
        wanted: u32,
        was_queued: bool,
    ) -> Result<(), String> {
        let needed = (seen.load - 1e-9).ceil().min(1e9) as u32;
        if seen.queued == 0 || seen.is_doubtful || needed > limits.max {
            *self = QueueWatch::default();
            return Ok(());
        }
        let needed = if was_queued { needed.max(wanted) } else { needed };
        if needed > self.needed {
            (self.needed, self.served) = (needed, 0);
        }
        self.served = if seen.servers[0] >= self.needed { self.served + 1 } else { 0 };
        if self.served > LOOKS && wanted < limits.max {
            return Err(format!("a queue although {} servers serve, as needed", seen.servers[0]));
        }
        Ok(())
    }
}
