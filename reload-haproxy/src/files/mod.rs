//! The files that the configuration names: what has changed in them, and changes of them without a reload.

pub(crate) mod applied;
pub(crate) mod apply;
pub(crate) mod by_hand;
pub(crate) mod certificate_list;
pub(crate) mod certificates;
pub(crate) mod change;
pub(crate) mod changes;
pub(crate) mod find;
pub(crate) mod list_diff;
pub(crate) mod lists;
pub(crate) mod paths;
pub(crate) mod read;
pub(crate) mod refusals;
pub(crate) mod scan;
pub(crate) mod taken;
