//! The time since the machine started, and which start that was.
//!
//! The wall clock may be set back or forward at any moment; this clock may not. Times of two starts of the machine cannot
//! be compared, so the state file names the start.

use std::time::Duration;

use common::failure::{Code, Failure};
use nix::time::{ClockId, clock_gettime};

use crate::sizing::look::Millis;

/// The kernel's name for this start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The time since the machine started, including the time it was suspended.
pub(crate) fn now() -> Result<Millis, Failure> {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_err(|err| Failure::new(Code::Unforeseen, format!("cannot read the clock: {err}")))?;
    Ok(u64::try_from(Duration::from(time).as_millis()).unwrap_or(u64::MAX))
}

/// The id of this start of the machine; empty if the kernel does not provide one.
pub(crate) fn boot() -> String {
    std::fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned()
}
