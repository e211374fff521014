//! The proofs, one module each.

pub mod autoscale;
pub mod churn;
pub mod crowd;
pub mod forgery;
pub mod kill;
pub mod partition;
pub mod soak;
