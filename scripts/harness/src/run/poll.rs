//! Polls a condition until a deadline. All waiting of a run is done here.
//!
//! A run that is asked to end (Ctrl-C) stops waiting at once, wherever it waits, so the request is checked only here.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::run::error::{Error, Result};

const PAUSE: Duration = Duration::from_millis(10);

/// The flag that ends all waiting once it is true. A signal handler sets it.
pub fn interruption() -> &'static Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    FLAG.get_or_init(Arc::default)
}

/// True once the run was asked to end.
pub fn is_interrupted() -> bool {
    interruption().load(Ordering::Relaxed)
}

/// Calls `look` every 10 ms until it returns a value, for at most `within`. `what` names the value in the error:
/// "gave up after 5.0 s waiting for WHAT".
pub fn until<T>(within: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    try_until(within, what, || Ok(look()))
}

/// Like `until`, for a check that can fail: its error ends the waiting.
pub fn try_until<T>(within: Duration, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if is_interrupted() {
            return Err(Error::Interrupted);
        }
        // The clock is read before the check: a late success counts.
        let late = Instant::now() >= deadline;
        match look()? {
            Some(seen) => return Ok(seen),
            None if late => return Err(Error::Late { what: what.to_owned(), within }),
            None => std::thread::sleep(PAUSE),
        }
    }
}

/// Waits for a fixed time; ends early when the run is interrupted.
pub fn pass(time: Duration) -> Result<()> {
    match until(time, "time to pass", || None::<()>) {
        Err(Error::Late { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_returned_and_a_timeout_names_what_was_awaited() {
        let mut looks = 0;
        let third = || {
            looks += 1;
            (looks == 3).then_some(looks)
        };
        assert_eq!(until(Duration::from_secs(5), "a third look", third).unwrap(), 3);
        let err = until(Duration::from_millis(20), "a miracle", || None::<()>).unwrap_err();
        assert_eq!(err.to_string(), "gave up after 0.0 s waiting for a miracle");
    }

    #[test]
    fn it_checks_once_even_without_time() {
        assert_eq!(until(Duration::ZERO, "now", || Some(1)).unwrap(), 1);
    }
}
