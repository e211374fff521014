//! The command line, and the checked settings that follow from it.

pub(crate) mod additions;
pub(crate) mod args;
pub(crate) mod settings;
pub(crate) mod words;
