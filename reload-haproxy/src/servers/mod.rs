//! Server changes without a reload.

pub(crate) mod ahead;
pub(crate) mod answer;
pub(crate) mod apply;
pub(crate) mod change;
pub(crate) mod commands;
pub(crate) mod compare;
pub(crate) mod few;
pub(crate) mod figures;
pub(crate) mod names;
pub(crate) mod read_back;
pub(crate) mod reason;
pub(crate) mod reason_class;
pub(crate) mod scope;
