//! The search for the nodes because of which a render fails, or a check refuses its text.

pub(crate) mod checks;
pub(crate) mod complaint;
pub(crate) mod culprits;
pub(crate) mod draft;
