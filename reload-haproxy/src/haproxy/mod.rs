//! The running HAProxy.

pub(crate) mod answers;
pub(crate) mod certificates;
pub(crate) mod commands;
pub(crate) mod instance;
pub(crate) mod locate;
pub(crate) mod places;
pub(crate) mod privileges;
pub(crate) mod proc;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod version;
