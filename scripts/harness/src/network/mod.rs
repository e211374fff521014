//! Addresses for a run: a block of loopback, or namespaces whose links can be cut.

pub mod namespace;
pub mod subnet;
