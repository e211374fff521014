//! What earlier runs left in --state-dir.

mod begun;
pub(crate) mod by_name;
pub(crate) mod certificate_hosts;
pub(crate) mod counter_file;
pub(crate) mod counters;
pub(crate) mod digest;
pub(crate) mod directory;
pub(crate) mod ids_file;
pub(crate) mod loaded_files;
pub(crate) mod note;
mod put;
pub(crate) mod rollback;
pub(crate) mod server_ids;
