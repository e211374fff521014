//! Daemons combined: a backend, a balancer, a cluster of both, the same from packages, and a HAProxy with a file to
//! reload.

pub mod backend;
pub mod balancer;
mod environment;
pub mod local_cluster;
pub mod lone_scripts;
pub mod packaged;
pub mod single_haproxy;
