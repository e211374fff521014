//! How many servers the traffic needs: the decision, from looks alone.
//!
//! `look` is what the balancers report at one moment, and `traffic` adds it up. `needs` computes what the traffic needs,
//! and `damping` what of it may happen now. `decide` puts them together. `memory` is what is kept between two looks.
//! Nothing here opens a file or asks a clock, so a day can be simulated in a moment.
//!
//! The defaults and the rules are those of the Kubernetes HPA, which many operators know: tolerance 10 %; upwards at
//! most twice or four more in 15 s; downwards the highest wish of the last 300 s.

mod damping;
pub mod decide;
pub mod decision;
pub mod history;
pub mod limits;
pub mod look;
pub mod memory;
mod needs;
pub mod reason;
pub mod traffic;

pub use decide::decide;
pub use decision::Decision;
