//! What is printed.

pub(crate) mod exposition;
pub(crate) mod metrics;
pub(crate) mod report;
pub(crate) mod status;
pub(crate) mod up;
