//! Properties that must hold for any bytes. There is one function for each parser of foreign text, and it panics if
//! its property does not hold.
//!
//! The fuzzer (scripts/fuzz) and the tests here run the same functions. The tests use the seeds and every input that
//! ever broke a property. The expected results are computed independently of the programs' code, from shared facts:
//! the whitelists, how HAProxy splits a line, and its servers.

mod changes;
mod consul;
mod decision;
mod escape;
mod event;
mod members;
mod membership_lists;
mod model;
mod non_server_lines;
mod plain;
mod record;
mod simple_config;
mod vars;
mod whitelist;
pub mod word_splitting;

/// A function that panics if a property does not hold for these bytes.
pub type Property = fn(&[u8]);

/// All properties, by the names of their targets.
pub const TARGETS: [(&str, Property); 9] = [
    ("event", event::holds),
    ("members", members::holds),
    ("consul", consul::holds),
    ("plain", plain::holds),
    ("record", record::holds),
    ("vars", vars::holds),
    ("escape", escape::holds),
    ("differ", decision::holds),
    ("changes", changes::holds),
];

/// The property of the target `name`.
pub fn property(name: &str) -> Option<Property> {
    TARGETS.iter().find(|(target, _)| *target == name).map(|(_, property)| *property)
}
