//! The cluster of docker/docker-compose.yml: the engine, one container, and the whole project.

mod compose_cluster;
mod container;
mod engine;

pub use compose_cluster::{ComposeCluster, UP};
pub use container::Container;
pub use engine::{docker, is_here};
