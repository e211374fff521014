//! `scale-to N`: starts or stops backends until there are N, as `docker-compose up --scale` does.
//!
//! All of them start or stop at the same time. The newest are stopped first. The command returns once all have started or
//! ended. A second such command waits for the first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use harness::cluster::backend::Backend;
use harness::{Error, Result};

use crate::backends::{Backends, Start};

/// The backends of a demo, and how many of them are stopping.
#[derive(Debug)]
pub struct Scaled {
    backends: Mutex<Backends>,
    stopping: AtomicUsize,
    turn: Mutex<()>,
}

impl Scaled {
    /// Begins with these backends.
    pub fn new(backends: Backends) -> Scaled {
        Scaled { backends: Mutex::new(backends), stopping: AtomicUsize::new(0), turn: Mutex::new(()) }
    }

    /// The list.
    pub fn list(&self) -> MutexGuard<'_, Backends> {
        // A panic in a method of `Backends` leaves the list intact.
        self.backends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are no longer in the list but have not ended yet.
    pub fn stopping(&self) -> usize {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Starts or stops backends until there are `wanted`; `say` gets a line for each.
    pub fn scale_to(&self, wanted: usize, say: &mut dyn FnMut(String)) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.list().count();
        let results = if wanted > count {
            let starts = (count..wanted).map(|_| self.list().reserve(None)).collect::<Result<Vec<_>>>()?;
            starts.iter().for_each(|start| say(format!("{} starts at {}", start.name, start.address)));
            at_once(starts, |start| self.start(&start))
        } else {
            let victims: Vec<Backend> = (wanted..count).filter_map(|_| self.take_newest()).collect();
            victims
                .iter()
                .for_each(|backend| say(format!("{} leaves the cluster, then drains", backend.name)));
            at_once(victims, |backend| self.stop(backend))
        };
        results.into_iter().collect::<Result<()>>()?;
        say(format!("running backends: {}", self.list().count()));
        Ok(())
    }

    /// Starts a backend whose name is reserved.
    pub fn start(&self, start: &Start) -> Result<()> {
        let started = start.run();
        self.list().insert(&start.name, started)
    }

    fn take_newest(&self) -> Option<Backend> {
        // Counted under the lock, so that a backend is always in the list or stopping.
        let mut list = self.list();
        let backend = list.take_newest()?;
        self.stopping.fetch_add(1, Ordering::Relaxed);
        Some(backend)
    }

    /// Removes a backend from the list; `stop` must follow.
    pub fn take(&self, name: &str) -> Result<Backend> {
        let mut list = self.list();
        let backend = list.take(name)?;
        self.stopping.fetch_add(1, Ordering::Relaxed);
        Ok(backend)
    }

    /// Stops a backend that was taken off the list.
    pub fn stop(&self, mut backend: Backend) -> Result<()> {
        let run = self.list().cluster.run().clone();
        let stopped = backend.stop(&run);
        self.stopping.fetch_sub(1, Ordering::Relaxed);
        stopped
    }
}

/// Does the same to all of them, each on a thread of its own.
fn at_once<T: Send>(each: Vec<T>, act: impl Fn(T) -> Result<()> + Sync) -> Vec<Result<()>> {
    let act = &act;
    thread::scope(|scope| {
        let threads: Vec<_> = each.into_iter().map(|one| scope.spawn(move || act(one))).collect();
        let panicked = || Error::Unfit("the start or stop of a backend panicked".to_owned());
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
    })
}
