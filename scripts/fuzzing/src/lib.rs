//! What must hold for any bytes, of all that reads what others wrote: one function for each reader, which panics
//! if it does not hold.
//!
//! The fuzzer (scripts/fuzz) and the tests here run the same functions, the tests on the seeds and on every
//! input that ever broke one. What is checked against is written anew from shared facts (the whitelists, HAProxy's
//! way of splitting a line, its servers) and not taken from the programs.

mod calm;
mod changes;
mod consul;
mod differ;
mod escape;
mod event;
mod lists;
mod members;
mod model;
mod outline;
mod record;
mod whitelist;
pub mod words;

/// A function that panics if something does not hold for these bytes.
pub type Property = fn(&[u8]);

/// All properties by the names of their targets.
pub const TARGETS: [(&str, Property); 7] = [
    ("event", event::holds),
    ("members", members::holds),
    ("consul", consul::holds),
    ("record", record::holds),
    ("escape", escape::holds),
    ("differ", differ::holds),
    ("changes", changes::holds),
];

/// The property of the target called `name`.
pub fn property(name: &str) -> Option<Property> {
    TARGETS.iter().find(|(target, _)| *target == name).map(|(_, property)| *property)
}
