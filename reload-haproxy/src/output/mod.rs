//! What is printed.

pub(crate) mod report;
pub(crate) mod status;
pub(crate) mod up;
