//! What haproxy.cfg contains. Nothing here opens anything but the file itself.

pub(crate) mod backend;
pub(crate) mod by_name;
pub(crate) mod content;
pub(crate) mod diff;
pub(crate) mod excerpt;
pub(crate) mod facts;
pub(crate) mod file;
pub(crate) mod files;
pub(crate) mod hunks;
pub(crate) mod lines;
pub(crate) mod requirements;
pub(crate) mod sections;
pub(crate) mod server;
pub(crate) mod server_keywords;
pub(crate) mod server_options;
pub(crate) mod words;
