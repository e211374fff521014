//! Properties that must hold for any bytes: one function for each reader of foreign text, which panics if its property
//! does not hold.
//!
//! The fuzzer (scripts/fuzz) and the tests here run the same functions, the tests on the seeds and on every
//! input that ever broke one. The expected results are computed independently, from shared facts (the whitelists, how
//! HAProxy splits a line, its servers), not by the programs' own code.

mod changes;
mod consul;
mod decision;
mod escape;
mod event;
mod members;
mod membership_lists;
mod model;
mod non_server_lines;
mod record;
mod simple_config;
mod whitelist;
pub mod word_splitting;

/// A function that panics if something does not hold for these bytes.
pub type Property = fn(&[u8]);

/// All properties by the names of their targets.
pub const TARGETS: [(&str, Property); 7] = [
    ("event", event::holds),
    ("members", members::holds),
    ("consul", consul::holds),
    ("record", record::holds),
    ("escape", escape::holds),
    ("differ", decision::holds),
    ("changes", changes::holds),
];

/// The property of the target called `name`.
pub fn property(name: &str) -> Option<Property> {
    TARGETS.iter().find(|(target, _)| *target == name).map(|(_, property)| *property)
}
