//! Addresses for a run: a /24 of loopback, or namespaces whose links can be cut.

pub mod namespace;
pub mod subnet;
