//! The cluster of docker/docker-compose.yml: the engine, one container, and the whole project. And Debian machines,
//! which are containers too.

mod compose_cluster;
mod container;
mod debian_machine;
mod engine;
mod lan;

pub mod swarm;

pub use compose_cluster::{ComposeCluster, UP};
pub use container::Container;
pub use debian_machine::Machine;
pub use engine::{docker, is_here};
pub use lan::Lan;
