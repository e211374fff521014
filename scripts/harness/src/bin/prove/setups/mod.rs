//! What a proof runs on: nodes, balancers and backends in namespaces, mounts.

pub mod backend_slot;
pub mod networked_balancer;
pub mod private_mounts;
pub mod small_disk;
pub mod test_nodes;
