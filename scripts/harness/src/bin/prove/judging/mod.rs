//! How a proof draws at random, compares and counts what went wrong.

pub mod agreement;
pub mod haproxy_check;
pub mod listing;
pub mod random;
pub mod resource_usage;
pub mod verdict;
