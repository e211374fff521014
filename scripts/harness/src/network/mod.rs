//! Addresses for a run: a /24 of loopback, or namespaces whose links can be cut, around a router or on one segment.

pub mod namespace;
pub mod segment;
pub mod subnet;
