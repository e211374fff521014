//! What the program is told: the command line, and commands and limits, checked.

pub(crate) mod additions;
pub(crate) mod args;
pub(crate) mod settings;
pub(crate) mod words;
