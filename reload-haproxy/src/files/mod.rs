//! The files that the configuration names: those that HAProxy can take without a reload.

pub(crate) mod applied;
pub(crate) mod certificates;
