//! A reload, and the proof that HAProxy loaded the file.

pub(crate) mod attempt;
mod carried;
pub(crate) mod check;
pub(crate) mod counters;
pub(crate) mod health;
pub(crate) mod method;
pub(crate) mod missing;
pub(crate) mod preflight;
pub(crate) mod preflight_chroot;
pub(crate) mod preflight_files;
pub(crate) mod preflight_host;
pub(crate) mod proof;
pub(crate) mod retry;
pub(crate) mod successor;
pub(crate) mod tell;
