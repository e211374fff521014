//! The returning visitor of the tour: a browser that comes ten times a second and checks its own counter.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use harness::traffic::visitor::Visitor;

const EVERY: Duration = Duration::from_millis(100);

/// What the visitor has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The backend that answered last.
    pub host: String,
    /// The counter.
    pub views: u64,
    /// How often the counter was not one more than before.
    pub lost: u64,
    /// How many requests failed.
    pub failed: u64,
    /// How often the answer came from another backend than the one before.
    pub moves: u64,
}

/// A visitor who sends requests until dropped.
#[derive(Debug)]
pub struct ReturningVisitor {
    seen: Arc<Mutex<Seen>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ReturningVisitor {
    /// Starts the visits.
    pub fn start(visitor: Visitor) -> ReturningVisitor {
        let (seen, is_over) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let shared = (Arc::clone(&seen), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || come(visitor, &shared.0, &shared.1));
        ReturningVisitor { seen, is_over, thread: Some(thread) }
    }

    /// What the visitor has seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends after the current visit; returns what the visitor has seen.
    pub fn stop(mut self) -> Seen {
        self.end();
        self.seen()
    }

    fn end(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has already been printed on stderr.
            let _ = thread.join();
        }
    }
}

impl Drop for ReturningVisitor {
    fn drop(&mut self) {
        self.end();
    }
}

fn come(mut visitor: Visitor, seen: &Mutex<Seen>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let view = visitor.visit();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match view {
            Ok(view) => {
                seen.moves += u64::from(!seen.host.is_empty() && seen.host != view.host);
                seen.host = view.host;
            }
            Err(_) => seen.failed += 1,
        }
        (seen.views, seen.lost) = (visitor.views(), visitor.lost());
        drop(seen);
        sleep(EVERY);
    }
}
