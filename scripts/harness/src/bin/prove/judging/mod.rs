//! How a proof draws random numbers, compares states and counts faults.

pub mod agreement;
pub mod haproxy_check;
pub mod listing;
pub mod random;
pub mod resource_usage;
pub mod verdict;
