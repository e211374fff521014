//! The daemons of a cluster, one module each, and the containers that run the same daemons.

pub mod consul;
pub mod counting_server;
pub mod docker;
pub mod haproxy;
pub mod serf;
pub mod tls;
pub mod webapp;
