//! A constant load: visitors who each have a slow request open at all times.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use harness::traffic::http::Client;

/// A request is answered after half a second.
const PATH: &str = "/slow/500";
/// A visitor whose request fails sends another one.
const PAUSE: Duration = Duration::from_millis(20);

/// The visitors. They leave when this is dropped.
#[derive(Debug)]
pub struct HeldLoad {
    is_over: Arc<AtomicBool>,
    visitors: Vec<JoinHandle<()>>,
}

impl HeldLoad {
    /// This many visitors at this address.
    pub fn start(front: SocketAddr, visitors: usize) -> HeldLoad {
        let is_over = Arc::<AtomicBool>::default();
        let visit = |_| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let mut client = Client::keep_alive(front);
                while !is_over.load(Ordering::Relaxed) {
                    if client.get(PATH).is_err() {
                        thread::sleep(PAUSE);
                    }
                }
            })
        };
        let visitors = (0..visitors).map(visit).collect();
        HeldLoad { is_over, visitors }
    }
}

impl Drop for HeldLoad {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.visitors.drain(..).for_each(|visitor| drop(visitor.join()));
    }
}
